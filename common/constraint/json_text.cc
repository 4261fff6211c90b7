#include "common/constraint/json_text.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace recycling::constraint {
namespace {

constexpr std::uint32_t kMostDigits = 16;

const CodePointSet& NeedEscape() {
  static const CodePointSet* const set = new CodePointSet({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
  return *set;
}

std::string Escape(char32_t character) {
  constexpr std::array<std::pair<char32_t, const char*>, 7> kShort = {{{'"', "\\\""},
                                                                       {'\\', "\\\\"},
                                                                       {'\b', "\\b"},
                                                                       {'\f', "\\f"},
                                                                       {'\n', "\\n"},
                                                                       {'\r', "\\r"},
                                                                       {'\t', "\\t"}}};
  for (const auto& [escaped, text] : kShort) {
    if (escaped == character) return text;
  }
  return absl::StrFormat("\\u%04x", static_cast<std::uint32_t>(character));
}

Expression Digits(char first, char last) {
  return Expression::Chars({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
}
Expression AnyDigits(std::uint32_t least, std::uint32_t most) {
  return Expression::Repeat(Digits('0', '9'), least, most);
}

// Whole numbers with as many digits as both bounds have.
Expression WholeOfLength(std::string_view low, std::string_view high) {
  if (low.empty()) return {};
  const auto length = static_cast<std::uint32_t>(low.size()) - 1;
  if (low[0] == high[0]) {
    return Expression::Sequence(
        {Expression::Text(low.substr(0, 1)), WholeOfLength(low.substr(1), high.substr(1))});
  }
  std::vector<Expression> choices;
  char first = low[0];
  char last = high[0];
  if (low.find_first_not_of('0', 1) != std::string_view::npos) {
    choices.push_back(
        Expression::Sequence({Expression::Text(low.substr(0, 1)),
                              WholeOfLength(low.substr(1), std::string(length, '9'))}));
    ++first;
  }
  if (high.find_first_not_of('9', 1) != std::string_view::npos) {
    choices.push_back(
        Expression::Sequence({Expression::Text(high.substr(0, 1)),
                              WholeOfLength(std::string(length, '0'), high.substr(1))}));
    --last;
  }
  if (first <= last) {
    choices.push_back(Expression::Sequence({Digits(first, last), AnyDigits(length, length)}));
  }
  return Expression::Choice(std::move(choices));
}

// -1, 0 or 1, of numbers without leading zeros.
int Compare(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b) < 0 ? -1 : a == b ? 0 : 1;
}

// Whole numbers from `low` to `high`, both included, without leading zeros.
Expression Whole(const std::string& low, const std::string& high) {
  std::vector<Expression> choices;
  for (std::size_t length = low.size(); length <= high.size(); ++length) {
    const std::string first = length == low.size() ? low : "1" + std::string(length - 1, '0');
    const std::string last = length == high.size() ? high : std::string(length, '9');
    if (Compare(first, last) <= 0) choices.push_back(WholeOfLength(first, last));
  }
  return Expression::Choice(std::move(choices));
}

std::string PlusOne(std::string digits) {
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
    if (*digit != '9') {
      ++*digit;
      return digits;
    }
    *digit = '0';
  }
  return "1" + digits;
}
// Nothing below zero.
std::optional<std::string> MinusOne(std::string digits) {
  if (digits == "0") return std::nullopt;
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
    if (*digit != '0') {
      --*digit;
      break;
    }
    *digit = '9';
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return digits;
}

std::string Largest(const std::string& other) {
  return std::string(std::max<std::size_t>(kMostDigits, other.size() + 1), '9');
}

// The part of a range on one side of zero, by magnitude.
struct Magnitudes {
  Decimal low;
  std::optional<Decimal> high;
  bool low_excluded = false;
  bool high_excluded = false;
};

// Nothing if no number of the range has this sign. Zero counts as positive.
std::optional<Magnitudes> SideOf(const NumberRange& range, bool negative) {
  const auto& near = negative ? range.high : range.low;
  const auto& far = negative ? range.low : range.high;
  const bool near_excluded = negative ? range.high_excluded : range.low_excluded;
  const bool far_excluded = negative ? range.low_excluded : range.high_excluded;
  const auto is_zero = [](const Decimal& d) { return d.whole == "0" && d.fraction.empty(); };
  if (far.has_value() && far->negative != negative && !(is_zero(*far) && !negative)) {
    return std::nullopt;
  }
  if (negative && far.has_value() && is_zero(*far)) return std::nullopt;
  Magnitudes side;
  side.low_excluded = negative;  // zero
  if (near.has_value() && near->negative == negative && !is_zero(*near)) {
    side.low = *near;
    side.low_excluded = near_excluded;
  } else if (near.has_value() && is_zero(*near)) {
    side.low_excluded = negative || near_excluded;
  }
  side.high = far;
  side.high_excluded = far_excluded;
  return side;
}

// Fractions f (digits behind the point, at least one) with low <= f <= high. The bounds have no
// zeros at their ends; an absent one bounds nothing. `most`: digits left.
Expression Fraction(std::optional<std::string_view> low, bool low_excluded,
                    std::optional<std::string_view> high, bool high_excluded, std::uint32_t most,
                    bool may_end) {
  if (low.has_value() && low->empty() && !low_excluded) low = std::nullopt;
  // Ends here: f is 0 from here on.
  std::vector<Expression> choices;
  const bool end_is_high_enough = !low.has_value() || (low->empty() && !low_excluded);
  const bool end_is_low_enough = !high.has_value() || !high->empty() || !high_excluded;
  if (may_end && end_is_high_enough && end_is_low_enough) choices.emplace_back();
  if (most == 0) return Expression::Choice(std::move(choices));
  if (!low.has_value() && !high.has_value()) {
    return AnyDigits(may_end ? 0 : 1, most);
  }
  const char floor = low.has_value() ? (low->empty() ? '0' : (*low)[0]) : '0';
  const char ceiling = high.has_value() ? (high->empty() ? '0' : (*high)[0]) : '9';
  using Bound = std::optional<std::string_view>;
  const auto rest = [](bool bounds, const Bound& digits) {
    if (!bounds) return Bound();
    return Bound(digits->substr(std::min<std::size_t>(1, digits->size())));
  };
  for (char digit = floor; digit <= ceiling; ++digit) {
    const bool at_low = low.has_value() && digit == floor;
    const bool at_high = high.has_value() && digit == ceiling;
    if (!at_low && !at_high) {
      char last = ceiling;
      if (high.has_value()) --last;
      choices.push_back(Expression::Sequence({Digits(digit, last), AnyDigits(0, most - 1)}));
      digit = last;
      continue;
    }
    choices.push_back(Expression::Sequence(
        {Digits(digit, digit), Fraction(rest(at_low, low), low_excluded, rest(at_high, high),
                                        high_excluded, most - 1, true)}));
  }
  return Expression::Choice(std::move(choices));
}

// What may follow a whole part: nothing, or a point and digits.
Expression AfterWhole(std::optional<std::string_view> low, bool low_excluded,
                      std::optional<std::string_view> high, bool high_excluded,
                      std::uint32_t most) {
  std::vector<Expression> choices;
  const bool zero_fits_low = !low.has_value() || (low->empty() && !low_excluded);
  const bool zero_fits_high = !high.has_value() || !high->empty() || !high_excluded;
  if (zero_fits_low && zero_fits_high) choices.emplace_back();
  if (most > 0) {
    choices.push_back(Expression::Sequence(
        {Expression::Text("."), Fraction(low, low_excluded, high, high_excluded, most, false)}));
  }
  return Expression::Choice(std::move(choices));
}

Expression NumbersOfSide(const Magnitudes& side, std::uint32_t most_fraction) {
  std::vector<Expression> choices;
  const Expression free = AfterWhole({}, false, {}, false, most_fraction);
  const auto add = [&](Expression whole, Expression after) {
    choices.push_back(Expression::Sequence({std::move(whole), std::move(after)}));
  };
  if (side.high.has_value() && side.high->whole == side.low.whole) {
    add(Expression::Text(side.low.whole),
        AfterWhole(side.low.fraction, side.low_excluded, side.high->fraction, side.high_excluded,
                   most_fraction));
    return Expression::Choice(std::move(choices));
  }
  if (side.high.has_value() && Compare(side.high->whole, side.low.whole) < 0) {
    return Expression::Choice({});
  }
  add(Expression::Text(side.low.whole),
      AfterWhole(side.low.fraction, side.low_excluded, {}, false, most_fraction));
  std::optional<std::string> last = Largest(side.low.whole);
  if (side.high.has_value()) {
    add(Expression::Text(side.high->whole),
        AfterWhole({}, false, side.high->fraction, side.high_excluded, most_fraction));
    last = MinusOne(side.high->whole);
  }
  const std::string first = PlusOne(side.low.whole);
  if (last.has_value() && Compare(first, *last) <= 0) add(Whole(first, *last), free);
  return Expression::Choice(std::move(choices));
}

Expression IntegersOfSide(const Magnitudes& side) {
  const bool next = !side.low.fraction.empty() || side.low_excluded;
  const std::string first = next ? PlusOne(side.low.whole) : side.low.whole;
  std::optional<std::string> last = Largest(first);
  if (side.high.has_value()) {
    const bool excluded = side.high->fraction.empty() && side.high_excluded;
    last = excluded ? MinusOne(side.high->whole) : side.high->whole;
  }
  if (!last.has_value() || Compare(first, *last) > 0) return Expression::Choice({});
  return Whole(first, *last);
}

template <typename OfSide>
Expression BothSides(const NumberRange& range, const OfSide& of_side) {
  std::vector<Expression> choices;
  if (const auto positive = SideOf(range, false)) choices.push_back(of_side(*positive));
  if (const auto negative = SideOf(range, true)) {
    choices.push_back(Expression::Sequence({Expression::Text("-"), of_side(*negative)}));
  }
  return Expression::Choice(std::move(choices));
}

}  // namespace

Expression JsonChar(const CodePointSet& set) {
  std::vector<Expression> choices = {
      Expression::Chars(set.Intersection(NeedEscape().Complement()))};
  const CodePointSet escaped = set.Intersection(NeedEscape());
  for (const CodePointRange& range : escaped.ranges()) {
    for (char32_t character = range.first; character <= range.last; ++character) {
      choices.push_back(Expression::Text(Escape(character)));
    }
  }
  return Expression::Choice(std::move(choices));
}

Expression AnyJsonChar() {
  const CodePointSet hex({{'0', '9'}, {'a', 'f'}, {'A', 'F'}});
  const auto digits = [&](std::uint32_t count) {
    return Expression::Repeat(Expression::Chars(hex), count, count);
  };
  const Expression d = Expression::Chars({{'d', 'd'}, {'D', 'D'}});
  const CodePointSet not_d({{'0', '9'}, {'a', 'c'}, {'e', 'f'}, {'A', 'C'}, {'E', 'F'}});
  return Expression::Choice(
      {Expression::Chars(NeedEscape().Complement()),
       Expression::Sequence(
           {Expression::Text("\\"),
            Expression::Choice(
                {Expression::Chars(CodePointSet({{'"', '"'},
                                                 {'\\', '\\'},
                                                 {'/', '/'},
                                                 {'b', 'b'},
                                                 {'f', 'f'},
                                                 {'n', 'n'},
                                                 {'r', 'r'},
                                                 {'t', 't'}})),
                 Expression::Sequence({Expression::Text("u"), Expression::Chars(not_d), digits(3)}),
                 Expression::Sequence(
                     {Expression::Text("u"), d, Expression::Chars({{'0', '7'}}), digits(2)}),
                 // A pair of surrogates is one character.
                 Expression::Sequence(
                     {Expression::Text("u"), d,
                      Expression::Chars(CodePointSet({{'8', '9'}, {'a', 'b'}, {'A', 'B'}})),
                      digits(2), Expression::Text("\\u"), d,
                      Expression::Chars(CodePointSet({{'c', 'f'}, {'C', 'F'}})), digits(2)})})})});
}

Expression JsonString(std::uint32_t least, std::uint32_t most) {
  return Expression::Sequence({Expression::Text("\""),
                               Expression::Repeat(AnyJsonChar(), least, most),
                               Expression::Text("\"")});
}

std::optional<Decimal> ParseDecimal(std::string_view text) {
  constexpr int kMost = 60;
  Decimal decimal;
  std::size_t at = 0;
  if (text.substr(0, 1) == "-") {
    decimal.negative = true;
    at = 1;
  }
  std::string digits;
  int point = 0;  // digits before the point
  bool behind = false;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      behind = true;
    } else if (absl::ascii_isdigit(static_cast<unsigned char>(text[at]))) {
      digits += text[at];
      point += behind ? 0 : 1;
    } else {
      return std::nullopt;
    }
  }
  if (digits.empty() || digits.size() > kMost) return std::nullopt;
  if (at < text.size()) {
    int exponent = 0;
    std::string_view written = text.substr(at + 1);
    if (written.substr(0, 1) == "+") written.remove_prefix(1);
    if (!absl::SimpleAtoi(absl::string_view(written.data(), written.size()), &exponent) ||
        exponent > kMost || exponent < -kMost) {
      return std::nullopt;
    }
    point += exponent;
  }
  if (point < 0) {
    digits.insert(0, static_cast<std::size_t>(-point), '0');
    point = 0;
  }
  if (static_cast<std::size_t>(point) > digits.size()) {
    digits.append(static_cast<std::size_t>(point) - digits.size(), '0');
  }
  decimal.whole = digits.substr(0, static_cast<std::size_t>(point));
  decimal.fraction = digits.substr(static_cast<std::size_t>(point));
  decimal.whole.erase(0, std::min(decimal.whole.find_first_not_of('0'), decimal.whole.size()));
  if (decimal.whole.empty()) decimal.whole = "0";
  decimal.fraction.erase(decimal.fraction.find_last_not_of('0') + 1);
  if (decimal.whole == "0" && decimal.fraction.empty()) decimal.negative = false;
  if (decimal.whole.size() + decimal.fraction.size() > kMost) return std::nullopt;
  return decimal;
}

int CompareDecimals(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = Compare(a.whole, b.whole);
  if (order == 0) order = a.fraction.compare(b.fraction);  // neither has zeros at its end
  return a.negative ? -order : order;
}

Expression JsonInteger(const NumberRange& range) { return BothSides(range, IntegersOfSide); }

Expression JsonNumber(const NumberRange& range, std::optional<std::uint32_t> most_fraction) {
  const bool bounded = range.low.has_value() || range.high.has_value();
  const std::size_t digits = std::max(range.low.value_or(Decimal()).fraction.size(),
                                      range.high.value_or(Decimal()).fraction.size());
  // Readers round numbers to about 16 digits. Near a bound, many digits would be rounded beyond it.
  constexpr std::uint32_t kFewDigits = 6;
  const std::uint32_t fraction = most_fraction.value_or(
      bounded ? std::max(kFewDigits, static_cast<std::uint32_t>(digits)) : kMostDigits);
  const Expression written =
      BothSides(range, [&](const Magnitudes& side) { return NumbersOfSide(side, fraction); });
  if (bounded || most_fraction.has_value()) return written;
  return Expression::Sequence(
      {written,
       Expression::Optional(Expression::Sequence(
           {Expression::Chars(CodePointSet({{'e', 'e'}, {'E', 'E'}})),
            Expression::Optional(Expression::Chars(CodePointSet({{'+', '+'}, {'-', '-'}}))),
            AnyDigits(1, 2)}))});
}

}  // namespace recycling::constraint
