#include "common/chat/filters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/chat/json.h"
#include "common/chat/lookup.h"
#include "common/chat/methods.h"
#include "common/chat/operators.h"
#include "common/chat/text_format.h"
#include "common/chat/unicode_text.h"
#include "common/chat/value_tests.h"
#include "common/tokenizer/utf8.h"

namespace recycling::chat {
namespace {

using Result = absl::StatusOr<Value>;
using Bound = std::vector<std::optional<Value>>;

// One use of a filter.
struct Use {
  const Value& input;
  std::string_view name;
  const Arguments& arguments;
  Budget& budget;

  absl::StatusOr<Bound> Bind(std::initializer_list<std::string_view> parameters,
                             std::size_t required = 0) const {
    return arguments.Bind(name, parameters, required);
  }
  // The input as str() gives it.
  absl::StatusOr<MarkedText> Text() const { return ToText(input, budget); }
  absl::StatusOr<std::vector<Value>> Items() const { return Iterate(input, budget); }
  // A list made from the input, with its mark.
  Result List(std::vector<Value> items, ListKind kind = ListKind::kList) const {
    return MakeList(std::move(items), budget, kind, marked());
  }
  // Whether the input came from a message.
  bool marked() const { return input.marked() || (input.is_text() && input.text()->HasMarks()); }
};

bool Flag(const std::optional<Value>& value, bool otherwise) {
  return value.has_value() ? IsTruthy(*value) : otherwise;
}

absl::StatusOr<std::int64_t> Integer(const std::optional<Value>& value, std::int64_t otherwise) {
  if (!value.has_value()) return otherwise;
  if (value->is_integral()) return value->integer();
  return TypeError(absl::StrCat("expected an int, got ", TypeName(*value)));
}

// ---- Text

template <absl::StatusOr<MarkedText> (*kChange)(const MarkedText&, Budget&)>
Result ChangeCase(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  ASSIGN_OR_RETURN(const MarkedText text, use.Text());
  ASSIGN_OR_RETURN(MarkedText changed, kChange(text, use.budget));
  return Value::Text(std::move(changed));
}

// Words begin after white space and after one of - ( { [ <.
Result Title(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  ASSIGN_OR_RETURN(const MarkedText text, use.Text());
  RETURN_IF_ERROR(use.budget.Step(text.size() / 16));
  MarkedText title;
  bool at_begin = true;
  for (Utf8Reader reader(text.bytes()); !reader.done();) {
    const std::size_t begin = reader.position();
    const char32_t code = reader.Next().value_or(0xFFFD);
    const std::string_view character =
        std::string_view(text.bytes()).substr(begin, reader.position() - begin);
    title.Append(at_begin ? ToUpper(character) : ToLower(character), text.IsMarked(begin));
    at_begin = IsSpace(code) || std::string_view("-({[<").find(character) != std::string_view::npos;
  }
  return MakeText(std::move(title), use.budget);
}

Result Trim(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"chars"}));
  ASSIGN_OR_RETURN(const MarkedText text, use.Text());
  RETURN_IF_ERROR(use.budget.Read(text.size()));
  ASSIGN_OR_RETURN(MarkedText trimmed, Strip(text, bound[0].value_or(Value()), true, true));
  ASSIGN_OR_RETURN(const Value value, MakeText(std::move(trimmed), use.budget));
  return use.input.markup() ? value.AsMarkup() : value;
}

Result ReplaceText(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"old", "new", "count"}, 2));
  ASSIGN_OR_RETURN(const MarkedText text, use.Text());
  ASSIGN_OR_RETURN(const MarkedText old, ToText(*bound[0], use.budget));
  ASSIGN_OR_RETURN(const MarkedText replacement, ToText(*bound[1], use.budget));
  std::int64_t count = -1;
  if (bound[2].has_value() && !bound[2]->is_none()) {
    ASSIGN_OR_RETURN(count, Integer(bound[2], -1));
  }
  ASSIGN_OR_RETURN(MarkedText result, Replace(text, old, replacement, count, use.budget));
  return Value::Text(std::move(result));
}

Result String(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  if (use.input.is_text()) return use.input;
  ASSIGN_OR_RETURN(MarkedText text, use.Text());
  return Value::Text(std::move(text));
}

Result Safe(const Use& use) {
  ASSIGN_OR_RETURN(const Value text, String(use));
  return text.AsMarkup();
}

Result Escape(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  if (use.input.markup() && use.name != "forceescape") return use.input;
  ASSIGN_OR_RETURN(const MarkedText text, use.Text());
  ASSIGN_OR_RETURN(const Value escaped, MakeText(EscapeHtml(text), use.budget));
  return escaped.AsMarkup();
}

Result CenterText(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"width"}));
  ASSIGN_OR_RETURN(const std::int64_t width, Integer(bound[0], 80));
  ASSIGN_OR_RETURN(const MarkedText text, use.Text());
  RETURN_IF_ERROR(use.budget.Bytes(static_cast<std::uint64_t>(MissingCharacters(text, width))));
  return MakeText(Center(text, width, MarkedText(" ", false)), use.budget);
}

Result Indent(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"width", "first", "blank"}));
  if (use.input.is_undefined()) return UndefinedError(*use.input.undefined());
  if (!use.input.is_text()) return TypeError("indent of something that is no str");
  const MarkedText& text = *use.input.text();
  MarkedText indention;
  if (bound[0].has_value() && bound[0]->is_text()) {
    indention = *bound[0]->text();
  } else {
    ASSIGN_OR_RETURN(const std::int64_t width, Integer(bound[0], 4));
    if (width > 0) RETURN_IF_ERROR(use.budget.Bytes(static_cast<std::uint64_t>(width)));
    indention = MarkedText(
        std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' '), false);
  }
  const bool blank = Flag(bound[2], false);
  MarkedText result;
  if (Flag(bound[1], false)) result.Append(indention);
  // Jinja2 appends a line break first, so that a text without one has a line, too.
  MarkedText source = text;
  source.Append("\n", false);
  RETURN_IF_ERROR(use.budget.Bytes(source.size()));
  const std::vector<Line> lines = SplitLines(source.bytes());
  RETURN_IF_ERROR(use.budget.Items(lines.size(), sizeof(Line)));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      result.Append("\n", source.IsMarked(lines[i - 1].content_end));
      if (blank || lines[i].begin != lines[i].content_end) {
        RETURN_IF_ERROR(use.budget.Bytes(indention.size()));
        result.Append(indention);
      }
    }
    result.AppendRange(source, lines[i].begin, lines[i].content_end);
  }
  return MakeText(std::move(result), use.budget);
}

Result Truncate(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"length", "killwords", "end", "leeway"}));
  ASSIGN_OR_RETURN(const std::int64_t length, Integer(bound[0], 255));
  ASSIGN_OR_RETURN(const MarkedText end,
                   bound[2].has_value() ? ToText(*bound[2], use.budget) : MarkedText("...", false));
  std::int64_t leeway = 5;
  if (bound[3].has_value() && !bound[3]->is_none()) {
    ASSIGN_OR_RETURN(leeway, Integer(bound[3], 5));
  }
  ASSIGN_OR_RETURN(const MarkedText text, use.Text());
  const auto end_length = static_cast<std::int64_t>(CountCharacters(end.bytes()));
  if (length < end_length)
    return TypeError(absl::StrCat("expected length >= ", end_length, ", got ", length));
  if (leeway < 0) return TypeError(absl::StrCat("expected leeway >= 0, got ", leeway));
  RETURN_IF_ERROR(use.budget.Read(text.size()));
  const auto count = static_cast<std::int64_t>(CountCharacters(text.bytes()));
  if (count <= length || count - length <= leeway) return Value::Text(text);
  std::size_t cut = OffsetOfCharacter(text.bytes(), static_cast<std::size_t>(length - end_length));
  if (!Flag(bound[1], false)) {
    const std::size_t space = std::string_view(text.bytes()).substr(0, cut).rfind(' ');
    if (space != std::string_view::npos) cut = space;
  }
  MarkedText result = text.Slice(0, cut);
  result.Append(end);
  return MakeText(std::move(result), use.budget);
}

Result WordCount(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  ASSIGN_OR_RETURN(const MarkedText text, use.Text());
  RETURN_IF_ERROR(use.budget.Step(text.size() / 16));
  std::int64_t count = 0;
  bool in_word = false;
  Utf8Reader reader(text.bytes());
  while (!reader.done()) {
    const char32_t character = reader.Next().value_or(0xFFFD);
    const bool is_word = character == '_' || IsAlphanumeric(character);
    count += is_word && !in_word ? 1 : 0;
    in_word = is_word;
  }
  return Value::Int(count, use.marked());
}

Result UrlEncode(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  if (!use.input.is_text()) return TypeError("urlencode of something that is no str");
  const MarkedText& text = *use.input.text();
  MarkedText result;
  for (const MarkedText::Part& part : text.Parts()) {
    std::string bytes;
    for (const char byte : part.bytes) {
      const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                         (byte >= '0' && byte <= '9') ||
                         std::string_view("_.-~/").find(byte) != std::string_view::npos;
      if (plain) {
        bytes.push_back(byte);
      } else {
        absl::StrAppend(&bytes, absl::StrFormat("%%%02X", static_cast<unsigned char>(byte)));
      }
    }
    result.Append(bytes, part.marked);
  }
  return MakeText(std::move(result), use.budget);
}

Result Format(const Use& use) {
  ASSIGN_OR_RETURN(const MarkedText format, use.Text());
  if (!use.arguments.named.empty()) {
    if (!use.arguments.positional.empty()) {
      return TypeError("can't handle positional and keyword arguments at the same time");
    }
    auto dict = std::make_shared<Dict>();
    for (const auto& [name, value] : use.arguments.named) dict->Set(Value::Text(name), value);
    return PrintfFormat(format, Value::Of(std::move(dict)), use.budget);
  }
  ASSIGN_OR_RETURN(const Value values, use.List(use.arguments.positional, ListKind::kTuple));
  return PrintfFormat(format, values, use.budget);
}

Result ToJson(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound,
                   use.Bind({"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensure_ascii = Flag(bound[0], false);
  style.sort_keys = Flag(bound[3], false);
  if (bound[1].has_value() && !bound[1]->is_none()) {
    if (bound[1]->is_text()) {
      style.indent = *bound[1]->text();
    } else {
      ASSIGN_OR_RETURN(const std::int64_t width, Integer(bound[1], 0));
      if (width > 100)
        return TypeError(absl::StrCat("an indent of ", width, ", expected at most 100"));
      style.indent = MarkedText(
          std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' '), false);
    }
    style.item_separator = MarkedText(",", false);
  }
  if (bound[2].has_value() && !bound[2]->is_none()) {
    ASSIGN_OR_RETURN(const std::vector<Value> separators, Iterate(*bound[2], use.budget));
    if (separators.size() != 2 || !separators[0].is_text() || !separators[1].is_text()) {
      return TypeError("separators must be two strings");
    }
    style.item_separator = *separators[0].text();
    style.key_separator = *separators[1].text();
  }
  ASSIGN_OR_RETURN(MarkedText text, DumpJson(use.input, style, use.budget));
  return Value::Text(std::move(text));
}

// ---- Numbers

Result Length(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  if (use.input.is_text()) RETURN_IF_ERROR(use.budget.Read(use.input.text()->size()));
  const std::optional<std::int64_t> length = LengthOf(use.input);
  if (length.has_value()) return Value::Int(*length, use.marked());
  return TypeError(absl::StrCat("object of type '", TypeName(use.input), "' has no len()"));
}

Result Absolute(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  if (use.input.is_number() && use.input.number() >= 0) {
    return use.input.is_bool() ? Value::Int(use.input.integer(), use.input.marked()) : use.input;
  }
  return Negate(use.input);
}

// `text` without white space around it, a plus sign and underscores between digits, as Python reads
// numbers; nothing if an underscore is elsewhere.
std::optional<std::string> NumberDigits(std::string_view text) {
  text.remove_prefix(LeadingSpace(text));
  text.remove_suffix(TrailingSpace(text));
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool between = i > 0 && i + 1 < text.size() && text[i - 1] != '_' && text[i + 1] != '_';
    if (text[i] == '_' && !between) return std::nullopt;
    if (text[i] != '_') digits.push_back(text[i]);
  }
  return digits;
}

std::optional<std::int64_t> ParseInt(std::string_view text, int base) {
  std::optional<std::string> digits = NumberDigits(text);
  if (!digits.has_value()) return std::nullopt;
  const std::size_t sign = digits->starts_with('-') ? 1 : 0;
  const std::string prefix = digits->substr(std::min(sign, digits->size()), 2);
  if ((base == 16 && (prefix == "0x" || prefix == "0X")) ||
      (base == 8 && (prefix == "0o" || prefix == "0O")) ||
      (base == 2 && (prefix == "0b" || prefix == "0B"))) {
    digits->erase(sign, 2);
  }
  std::int64_t number = 0;
  const char* end = digits->data() + digits->size();
  const auto read = std::from_chars(digits->data(), end, number, base);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

std::optional<double> ParseFloat(std::string_view text) {
  const std::optional<std::string> digits = NumberDigits(text);
  if (!digits.has_value()) return std::nullopt;
  double number = 0;
  const char* end = digits->data() + digits->size();
  const auto read = std::from_chars(digits->data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

Result ToInt(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"default", "base"}));
  const Value otherwise = bound[0].value_or(Value::Int(0));
  ASSIGN_OR_RETURN(const std::int64_t base, Integer(bound[1], 10));
  const Value& input = use.input;
  const bool marked = input.marked() || (input.is_text() && input.text()->HasMarks());
  if (input.is_undefined()) return UndefinedError(*input.undefined());
  if (input.is_integral()) return Value::Int(input.integer(), marked);
  std::optional<double> number;
  if (const MarkedText* text = input.text()) {
    if (base < 2 || base > 36) return TypeError(absl::StrCat("int with base ", base));
    const std::optional<std::int64_t> integer = ParseInt(text->bytes(), static_cast<int>(base));
    if (integer.has_value()) return Value::Int(*integer, marked);
    number = ParseFloat(text->bytes());
  } else if (input.is_float()) {
    number = input.number();
  }
  if (!number.has_value() || !(std::abs(*number) < 0x1p63)) return otherwise;
  return Value::Int(static_cast<std::int64_t>(*number), marked);
}

Result ToFloat(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"default"}));
  const Value otherwise = bound[0].value_or(Value::Float(0.0));
  const Value& input = use.input;
  if (input.is_undefined()) return UndefinedError(*input.undefined());
  if (input.is_number()) return Value::Float(input.number(), input.marked());
  if (!input.is_text()) return otherwise;
  const std::optional<double> number = ParseFloat(input.text()->bytes());
  return number.has_value() ? Value::Float(*number, input.text()->HasMarks()) : otherwise;
}

Result Round(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"precision", "method"}));
  ASSIGN_OR_RETURN(const std::int64_t given, Integer(bound[0], 0));
  const std::int64_t precision = std::clamp<std::int64_t>(given, -300, 400);
  if (use.input.is_undefined()) return UndefinedError(*use.input.undefined());
  if (!use.input.is_number()) return TypeError("round of something that is no number");
  const std::string method =
      bound[1].has_value() && bound[1]->is_text() ? bound[1]->text()->bytes() : "common";
  const double number = use.input.number();
  const bool marked = use.input.marked();
  if (method == "common") {
    if (use.input.is_integral() && precision >= 0) {
      return Value::Int(use.input.integer(), marked);
    }
    if (use.input.is_integral()) {
      const double scale = std::pow(10.0, static_cast<double>(-precision));
      const double rounded = std::nearbyint(number / scale) * scale;
      if (!(std::abs(rounded) < 0x1p63)) return Value::Int(0, marked);
      return Value::Int(static_cast<std::int64_t>(rounded), marked);
    }
    if (precision < 0 || precision > 300) {
      const double scale = std::pow(10.0, static_cast<double>(-precision));
      return Value::Float(std::nearbyint(number / scale) * scale, marked);
    }
    // Printing rounds correctly, as Python's round does.
    const std::string digits = absl::StrFormat("%.*f", static_cast<int>(precision), number);
    double rounded = number;
    std::from_chars(digits.data(), digits.data() + digits.size(), rounded);
    return Value::Float(rounded, marked);
  }
  if (method != "ceil" && method != "floor") {
    return TypeError("method must be common, ceil or floor");
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = number * scale;
  return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale, marked);
}

// ---- Items

Result Default(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"default_value", "boolean"}));
  const bool missing = use.input.is_undefined() || (Flag(bound[1], false) && !IsTruthy(use.input));
  return missing ? bound[0].value_or(Value::Text("")) : use.input;
}

Result First(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  if (items.empty()) return Value::MissingValue("No first item, sequence was empty.");
  return items.front();
}

Result Last(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  if (const List* list = use.input.list(); list != nullptr && list->kind == ListKind::kIterator) {
    return TypeError("'generator' object is not reversible");
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  if (items.empty()) return Value::MissingValue("No last item, sequence was empty.");
  return items.back();
}

Result ToList(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  ASSIGN_OR_RETURN(std::vector<Value> items, use.Items());
  return use.List(std::move(items));
}

Result Reverse(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  ASSIGN_OR_RETURN(std::vector<Value> items, use.Items());
  std::reverse(items.begin(), items.end());
  if (!use.input.is_text()) return use.List(std::move(items), ListKind::kIterator);
  MarkedText text;
  for (const Value& item : items) text.Append(*item.text());
  return MakeText(std::move(text), use.budget);
}

Result ItemPairs(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({}));
  std::vector<Value> pairs;
  if (!use.input.is_undefined()) {
    const Dict* dict = use.input.dict();
    if (dict == nullptr) return TypeError("Can only get item pairs from a mapping.");
    for (const Dict::Entry& entry : dict->entries()) {
      ASSIGN_OR_RETURN(Value pair, use.List({entry.key, entry.value}, ListKind::kTuple));
      pairs.push_back(std::move(pair));
    }
  }
  return use.List(std::move(pairs), ListKind::kIterator);
}

// The value at `path` of `item`, or the item itself without a path.
Result AttributeOf(const Use& use, const Value& item, const std::optional<Value>& path) {
  if (!path.has_value() || path->is_none()) return item;
  return GetPath(item, *path, use.budget);
}

Result Join(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"d", "attribute"}));
  ASSIGN_OR_RETURN(const MarkedText separator,
                   bound[0].has_value() ? ToText(*bound[0], use.budget) : MarkedText());
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  MarkedText joined;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) joined.Append(separator);
    ASSIGN_OR_RETURN(const Value item, AttributeOf(use, items[i], bound[1]));
    ASSIGN_OR_RETURN(const MarkedText text, ToText(item, use.budget));
    RETURN_IF_ERROR(use.budget.Bytes(text.size() + separator.size()));
    joined.Append(text);
  }
  return MakeText(std::move(joined), use.budget);
}

// What items are ordered and compared by: texts without case, unless case counts.
Result SortKey(const Use& use, const Value& item, const std::optional<Value>& path,
               bool case_sensitive) {
  ASSIGN_OR_RETURN(Value key, AttributeOf(use, item, path));
  if (case_sensitive || !key.is_text()) return key;
  ASSIGN_OR_RETURN(MarkedText lower, LowerCase(*key.text(), use.budget));
  return Value::Text(std::move(lower));
}

struct Keyed {
  Value key;
  Value item;
};

absl::Status SortByKey(std::vector<Keyed>& items, bool reverse, Budget& budget) {
  absl::Status status;
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& left, const Keyed& right) {
    if (!status.ok()) return false;
    const absl::StatusOr<int> order = reverse ? Compare(right.key, left.key, "<", budget)
                                              : Compare(left.key, right.key, "<", budget);
    if (!order.ok()) status = order.status();
    return order.ok() && *order < 0;
  });
  return status;
}

// The items in the order of their keys.
Result SortedList(const Use& use, std::vector<Keyed> keyed, bool reverse) {
  RETURN_IF_ERROR(SortByKey(keyed, reverse, use.budget));
  std::vector<Value> items;
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return use.List(std::move(items));
}

Result Sort(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"reverse", "case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  // "a,b" orders by a, then by b.
  std::vector<std::optional<Value>> paths;
  if (bound[2].has_value() && bound[2]->is_text()) {
    std::string_view rest = bound[2]->text()->bytes();
    for (;;) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      paths.emplace_back(Value::Text(rest.substr(0, comma)));
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
  } else {
    paths.push_back(bound[2]);
  }
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    std::vector<Value> keys;
    for (const std::optional<Value>& path : paths) {
      ASSIGN_OR_RETURN(Value key, SortKey(use, item, path, Flag(bound[1], false)));
      keys.push_back(std::move(key));
    }
    ASSIGN_OR_RETURN(Value key, use.List(std::move(keys), ListKind::kTuple));
    keyed.push_back({std::move(key), item});
  }
  return SortedList(use, std::move(keyed), Flag(bound[0], false));
}

Result DictSort(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"case_sensitive", "by", "reverse"}));
  const Dict* dict = use.input.dict();
  if (dict == nullptr) return TypeError("dictsort of something that is no mapping");
  const bool by_value =
      bound[1].has_value() && bound[1]->is_text() && bound[1]->text()->bytes() == "value";
  std::vector<Keyed> keyed;
  for (const Dict::Entry& entry : dict->entries()) {
    ASSIGN_OR_RETURN(Value pair, use.List({entry.key, entry.value}, ListKind::kTuple));
    ASSIGN_OR_RETURN(Value key, SortKey(use, by_value ? entry.value : entry.key, std::nullopt,
                                        Flag(bound[0], false)));
    keyed.push_back({std::move(key), std::move(pair)});
  }
  return SortedList(use, std::move(keyed), Flag(bound[2], false));
}

Result Unique(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  Dict seen;
  std::vector<Value> unique;
  for (const Value& item : items) {
    RETURN_IF_ERROR(use.budget.Step());
    ASSIGN_OR_RETURN(const Value key, SortKey(use, item, bound[1], Flag(bound[0], false)));
    if (!Dict::IsHashable(key)) {
      return TypeError(absl::StrCat("unhashable type: '", TypeName(key), "'"));
    }
    if (seen.Find(key) != nullptr) continue;
    seen.Set(key, Value());
    unique.push_back(item);
  }
  return use.List(std::move(unique), ListKind::kIterator);
}

Result Extreme(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  if (items.empty()) return Value::MissingValue("No aggregated item, sequence was empty.");
  const std::string_view operation = use.name == "min" ? "<" : ">";
  std::size_t best = 0;
  ASSIGN_OR_RETURN(Value best_key, SortKey(use, items[0], bound[1], Flag(bound[0], false)));
  for (std::size_t i = 1; i < items.size(); ++i) {
    ASSIGN_OR_RETURN(Value key, SortKey(use, items[i], bound[1], Flag(bound[0], false)));
    ASSIGN_OR_RETURN(const int order, Compare(key, best_key, operation, use.budget));
    if (use.name == "min" ? order < 0 : order > 0) {
      best = i;
      best_key = std::move(key);
    }
  }
  return items[best];
}

Result Sum(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"attribute", "start"}));
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  Value sum = bound[1].value_or(Value::Int(0));
  if (sum.is_text()) return TypeError("sum() can't sum strings");
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const Value value, AttributeOf(use, item, bound[0]));
    ASSIGN_OR_RETURN(sum, Arithmetic("+", sum, value, use.budget));
  }
  return sum;
}

Result Map(const Use& use) {
  if (!IsTruthy(use.input)) return use.List({}, ListKind::kIterator);  // also of None
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  std::vector<Value> mapped;
  if (use.arguments.positional.empty()) {
    ASSIGN_OR_RETURN(const Bound bound, use.Bind({"attribute", "default"}, 1));
    for (const Value& item : items) {
      ASSIGN_OR_RETURN(Value value, GetPath(item, *bound[0], use.budget));
      if (value.is_undefined() && bound[1].has_value()) value = *bound[1];
      mapped.push_back(std::move(value));
    }
  } else {
    const Value& name = use.arguments.positional[0];
    if (!name.is_text()) return TypeError("map expects the name of a filter");
    Arguments arguments = use.arguments;
    arguments.positional.erase(arguments.positional.begin());
    for (const Value& item : items) {
      ASSIGN_OR_RETURN(Value value, ApplyFilter(name.text()->bytes(), item, arguments, use.budget));
      mapped.push_back(std::move(value));
    }
  }
  return use.List(std::move(mapped), ListKind::kIterator);
}

// select, reject, selectattr and rejectattr.
Result Select(const Use& use) {
  const bool keeps = use.name.starts_with("select");
  const bool by_attribute = use.name.ends_with("attr");
  Arguments arguments = use.arguments;
  std::optional<Value> path;
  if (by_attribute) {
    if (arguments.positional.empty()) return TypeError("Missing parameter for attribute name");
    path = arguments.positional.front();
    arguments.positional.erase(arguments.positional.begin());
  }
  std::optional<std::string> test;
  if (!arguments.positional.empty()) {
    if (!arguments.positional.front().is_text()) return TypeError("expected the name of a test");
    test = arguments.positional.front().text()->bytes();
    arguments.positional.erase(arguments.positional.begin());
  }
  std::vector<Value> selected;
  if (!IsTruthy(use.input)) return use.List({}, ListKind::kIterator);  // also of None
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  for (const Value& item : items) {
    RETURN_IF_ERROR(use.budget.Step());
    ASSIGN_OR_RETURN(const Value value, AttributeOf(use, item, path));
    bool passes = IsTruthy(value);
    if (test.has_value()) {
      ASSIGN_OR_RETURN(passes, ApplyTest(*test, value, arguments, use.budget));
    }
    if (passes == keeps) selected.push_back(item);
  }
  return use.List(std::move(selected), ListKind::kIterator);
}

Result Attribute(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"name"}, 1));
  ASSIGN_OR_RETURN(const MarkedText name, ToText(*bound[0], use.budget));
  // The filter finds attributes only. An entry of a dict is no attribute.
  if (use.input.dict() != nullptr && !HasMethod(use.input, name.bytes())) {
    return Value::MissingValue(absl::StrCat("'dict object' has no attribute '", name.bytes(), "'"));
  }
  return GetAttribute(use.input, name.bytes(), use.budget);
}

Result Batch(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"linecount", "fill_with"}, 1));
  ASSIGN_OR_RETURN(const std::int64_t size, Integer(bound[0], 1));
  if (size <= 0) return TypeError(absl::StrCat("batches of ", size, " items"));
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  std::vector<Value> batches;
  for (std::size_t i = 0; i < items.size();) {
    const std::size_t end = i + std::min(items.size() - i, static_cast<std::size_t>(size));
    std::vector<Value> batch(items.begin() + static_cast<std::ptrdiff_t>(i),
                             items.begin() + static_cast<std::ptrdiff_t>(end));
    i = end;
    if (bound[1].has_value() && !bound[1]->is_none()) {
      RETURN_IF_ERROR(use.budget.Items(static_cast<std::uint64_t>(size), sizeof(Value)));
      batch.resize(static_cast<std::size_t>(size), *bound[1]);
    }
    ASSIGN_OR_RETURN(Value list, use.List(std::move(batch)));
    batches.push_back(std::move(list));
  }
  return use.List(std::move(batches), ListKind::kIterator);
}

Result Slices(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"slices", "fill_with"}, 1));
  ASSIGN_OR_RETURN(const std::int64_t slices, Integer(bound[0], 1));
  if (slices <= 0) return TypeError(absl::StrCat(slices, " slices"));
  RETURN_IF_ERROR(use.budget.Step(static_cast<std::uint64_t>(slices)));
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  const std::size_t count = static_cast<std::size_t>(slices);
  const std::size_t longer = items.size() % count;
  auto next = items.begin();
  std::vector<Value> result;
  for (std::size_t i = 0; i < count; ++i) {
    const auto end =
        next + static_cast<std::ptrdiff_t>(items.size() / count + (i < longer ? 1 : 0));
    std::vector<Value> slice(next, end);
    next = end;
    if (bound[1].has_value() && !bound[1]->is_none() && i >= longer) slice.push_back(*bound[1]);
    ASSIGN_OR_RETURN(Value list, use.List(std::move(slice)));
    result.push_back(std::move(list));
  }
  return use.List(std::move(result), ListKind::kIterator);
}

Result GroupBy(const Use& use) {
  ASSIGN_OR_RETURN(const Bound bound, use.Bind({"attribute", "default", "case_sensitive"}, 1));
  ASSIGN_OR_RETURN(const std::vector<Value> items, use.Items());
  const bool case_sensitive = Flag(bound[2], false);
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(Value key, SortKey(use, item, bound[0], case_sensitive));
    if (key.is_undefined() && bound[1].has_value()) key = *bound[1];
    keyed.push_back({std::move(key), item});
  }
  RETURN_IF_ERROR(SortByKey(keyed, false, use.budget));
  std::vector<Value> groups;
  for (std::size_t begin = 0; begin < keyed.size();) {
    std::size_t end = begin;
    std::vector<Value> members;
    for (; end < keyed.size(); ++end) {
      ASSIGN_OR_RETURN(const bool equal, Equals(keyed[begin].key, keyed[end].key, use.budget));
      if (!equal) break;
      members.push_back(keyed[end].item);
    }
    // The name of a group is that of its first member, with its case.
    ASSIGN_OR_RETURN(Value name, AttributeOf(use, members.front(), bound[0]));
    if (name.is_undefined()) name = keyed[begin].key;
    ASSIGN_OR_RETURN(Value list, use.List(std::move(members)));
    ASSIGN_OR_RETURN(Value group, use.List({std::move(name), std::move(list)}, ListKind::kTuple));
    groups.push_back(std::move(group));
    begin = end;
  }
  return use.List(std::move(groups));
}

struct Filter {
  std::string_view name;
  Result (*apply)(const Use& use);
};

constexpr std::array kFilters = {
    Filter{"abs", Absolute},
    Filter{"attr", Attribute},
    Filter{"batch", Batch},
    Filter{"capitalize", ChangeCase<Capitalize>},
    Filter{"center", CenterText},
    Filter{"count", Length},
    Filter{"d", Default},
    Filter{"default", Default},
    Filter{"dictsort", DictSort},
    Filter{"e", Escape},
    Filter{"escape", Escape},
    Filter{"first", First},
    Filter{"float", ToFloat},
    Filter{"forceescape", Escape},
    Filter{"format", Format},
    Filter{"groupby", GroupBy},
    Filter{"indent", Indent},
    Filter{"int", ToInt},
    Filter{"items", ItemPairs},
    Filter{"join", Join},
    Filter{"last", Last},
    Filter{"length", Length},
    Filter{"list", ToList},
    Filter{"lower", ChangeCase<LowerCase>},
    Filter{"map", Map},
    Filter{"max", Extreme},
    Filter{"min", Extreme},
    Filter{"reject", Select},
    Filter{"rejectattr", Select},
    Filter{"replace", ReplaceText},
    Filter{"reverse", Reverse},
    Filter{"round", Round},
    Filter{"safe", Safe},
    Filter{"select", Select},
    Filter{"selectattr", Select},
    Filter{"slice", Slices},
    Filter{"sort", Sort},
    Filter{"string", String},
    Filter{"sum", Sum},
    Filter{"title", Title},
    Filter{"tojson", ToJson},
    Filter{"trim", Trim},
    Filter{"truncate", Truncate},
    Filter{"unique", Unique},
    Filter{"upper", ChangeCase<UpperCase>},
    Filter{"urlencode", UrlEncode},
    Filter{"wordcount", WordCount},
};

const Filter* FindFilter(std::string_view name) {
  const auto* found = std::find_if(kFilters.begin(), kFilters.end(),
                                   [name](const Filter& filter) { return filter.name == name; });
  return found == kFilters.end() ? nullptr : found;
}

}  // namespace

bool IsFilter(std::string_view name) { return FindFilter(name) != nullptr; }

std::string UnknownFilter(std::string_view name) {
  return absl::StrCat("no filter named '", Excerpt(name), "'");
}

absl::StatusOr<Value> ApplyFilter(std::string_view name, const Value& input,
                                  const Arguments& arguments, Budget& budget) {
  const Budget::Level level(budget);  // a map can apply a map
  RETURN_IF_ERROR(level.Check());
  RETURN_IF_ERROR(budget.Step());
  const Filter* filter = FindFilter(name);
  if (filter == nullptr) return TypeError(UnknownFilter(name));
  return filter->apply(Use{input, name, arguments, budget});
}

}  // namespace recycling::chat
