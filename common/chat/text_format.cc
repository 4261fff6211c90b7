#include "common/chat/text_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/chat/lookup.h"
#include "common/chat/operators.h"
#include "common/chat/unicode_text.h"
#include "common/tokenizer/utf8.h"

namespace recycling::chat {
namespace {

constexpr std::int64_t kMaxWidth = 1000;

// How to write one value.
struct Specification {
  MarkedText fill = MarkedText(" ", false);
  char align = 0;  // < > ^ =; 0: the default of the type
  char sign = '-';
  bool comma = false;
  bool alternate = false;
  std::int64_t width = 0;
  std::optional<std::int64_t> precision;
  char type = 0;
};

std::string Digits(std::uint64_t value, std::uint64_t base, bool upper) {
  std::string digits;
  do {
    digits.insert(digits.begin(), (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base]);
    value /= base;
  } while (value > 0);
  return digits;
}

void AddCommas(std::string& digits) {
  const std::size_t end = std::min(digits.find_first_of(".e"), digits.size());
  for (std::size_t i = end; i > 3; i -= 3) digits.insert(i - 3, 1, ',');
}

MarkedText Pad(MarkedText text, const Specification& spec, char default_align) {
  const auto length = static_cast<std::int64_t>(CountCharacters(text.bytes()));
  const std::int64_t missing = std::max<std::int64_t>(spec.width - length, 0);
  const char align = spec.align == 0 ? default_align : spec.align;
  const std::int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const std::size_t sign =
      align == '=' && !text.empty() && std::string_view("+- ").find(text.bytes()[0]) < 3 ? 1 : 0;
  MarkedText padded = text.Slice(0, sign);
  for (std::int64_t i = 0; i < left; ++i) padded.Append(spec.fill);
  padded.AppendRange(text, sign, text.size());
  for (std::int64_t i = left; i < missing; ++i) padded.Append(spec.fill);
  return padded;
}

std::string FloatDigits(double value, const Specification& spec) {
  const int precision = static_cast<int>(spec.precision.value_or(6));
  switch (spec.type) {
    case 'e':
      return absl::StrFormat("%.*e", precision, value);
    case 'E':
      return absl::StrFormat("%.*E", precision, value);
    case 'g':
      return absl::StrFormat("%.*g", precision, value);
    case 'G':
      return absl::StrFormat("%.*G", precision, value);
    case '%':
      return absl::StrFormat("%.*f%%", precision, value * 100);
    default:
      return absl::StrFormat("%.*f", precision, value);
  }
}

absl::StatusOr<MarkedText> FormatNumber(const Value& value, const Specification& spec) {
  std::string digits;
  bool negative = false;
  const std::string_view float_types = "eEfFgG%";
  if (value.is_integral() && (spec.type == 0 || float_types.find(spec.type) == std::string::npos)) {
    const std::int64_t number = value.integer();
    negative = number < 0;
    const std::uint64_t magnitude =
        negative ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
    switch (spec.type) {
      case 'x':
      case 'X':
        digits = absl::StrCat(spec.alternate ? (spec.type == 'x' ? "0x" : "0X") : "",
                              Digits(magnitude, 16, spec.type == 'X'));
        break;
      case 'o':
        digits = absl::StrCat(spec.alternate ? "0o" : "", Digits(magnitude, 8, false));
        break;
      case 'b':
        digits = absl::StrCat(spec.alternate ? "0b" : "", Digits(magnitude, 2, false));
        break;
      default:
        digits = absl::StrCat(magnitude);
    }
  } else {
    const double number = value.number();
    negative = std::signbit(number);
    if (spec.type == 0 && !spec.precision.has_value()) {
      digits = FloatText(std::abs(number));
    } else {
      Specification general = spec;
      if (spec.type == 0) general.type = 'g';
      digits = FloatDigits(std::abs(number), general);
    }
  }
  if (spec.comma) AddCommas(digits);
  if (negative) {
    digits.insert(digits.begin(), '-');
  } else if (spec.sign == '+' || spec.sign == ' ') {
    digits.insert(0, 1, spec.sign);
  }
  return Pad(MarkedText(digits, value.marked()), spec, '>');
}

MarkedText FirstCharacters(const MarkedText& text, std::optional<std::int64_t> count) {
  if (!count.has_value()) return text;
  return text.Slice(0, OffsetOfCharacter(text.bytes(), static_cast<std::size_t>(*count)));
}

absl::Status UnsupportedFormat(std::string_view what) {
  return TypeError(absl::StrCat("unsupported format: ", Excerpt(what)));
}

// Reads a number of at most kMaxWidth at `position`; nothing if there is no digit.
absl::StatusOr<std::optional<std::int64_t>> ReadNumber(std::string_view text,
                                                       std::size_t& position) {
  std::int64_t number = 0;
  const std::string_view rest = text.substr(std::min(position, text.size()));
  if (rest.empty() || rest[0] < '0' || rest[0] > '9') return std::nullopt;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (read.ec != std::errc() || number > kMaxWidth) {
    return TypeError(absl::StrCat("a width or precision above ", kMaxWidth));
  }
  position += static_cast<std::size_t>(read.ptr - rest.data());
  return number;
}

// The arguments of "%", one after the other.
class PrintfArguments {
 public:
  explicit PrintfArguments(const Value& value) : value_(value) {
    const List* list = value.list();
    is_tuple_ = list != nullptr && list->kind == ListKind::kTuple;
  }

  absl::StatusOr<Value> Next() {
    const std::size_t count = is_tuple_ ? value_.list()->items.size() : 1;
    if (used_ >= count) return TypeError("not enough arguments for format string");
    const std::size_t at = used_++;
    return is_tuple_ ? value_.list()->items[at] : value_;
  }
  absl::StatusOr<Value> Named(const std::string& name) {
    if (value_.dict() == nullptr) return TypeError("format requires a mapping");
    used_ = 1;
    const Value* found = value_.dict()->Find(name);
    if (found == nullptr) return TypeError(absl::StrCat("no key '", Excerpt(name), "'"));
    return *found;
  }
  absl::Status Finish() const {
    const bool all =
        is_tuple_ ? used_ >= value_.list()->items.size() : used_ > 0 || value_.dict() != nullptr;
    if (all) return absl::OkStatus();
    return TypeError("not all arguments converted during string formatting");
  }

 private:
  const Value& value_;
  bool is_tuple_ = false;
  std::size_t used_ = 0;
};

absl::StatusOr<MarkedText> Convert(const Value& value, const Specification& spec, Budget& budget) {
  switch (spec.type) {
    case 's': {
      ASSIGN_OR_RETURN(const MarkedText text, ToText(value, budget));
      return Pad(FirstCharacters(text, spec.precision), spec, '>');
    }
    case 'r': {
      ASSIGN_OR_RETURN(const MarkedText text, Represent(value, budget));
      return Pad(FirstCharacters(text, spec.precision), spec, '>');
    }
    case 'c':
      if (value.is_text() && CountCharacters(value.text()->bytes()) == 1) {
        return Pad(*value.text(), spec, '>');
      }
      return TypeError("%c requires int or char");
    default:
      if (value.is_undefined()) return UndefinedError(*value.undefined());
      if (!value.is_number()) {
        return TypeError(absl::StrCat("%", std::string(1, spec.type),
                                      " format: a real number is required, not ", TypeName(value)));
      }
      if (std::string_view("xXo").find(spec.type) < 3 && !value.is_integral()) {
        return TypeError(absl::StrCat("%", std::string(1, spec.type),
                                      " format: an integer is required, not float"));
      }
      if (std::string_view("dixXo").find(spec.type) < 5 && spec.precision.has_value()) {
        return UnsupportedFormat("a precision of an integer");
      }
      if (std::string_view("di").find(spec.type) < 2 && value.is_float()) {
        if (!(std::abs(value.number()) < 0x1p63)) return TypeError("an integer beyond 64 bits");
        return FormatNumber(Value::Int(static_cast<std::int64_t>(value.number()), value.marked()),
                            spec);
      }
      return FormatNumber(value, spec);
  }
}

// ---- Braces

absl::StatusOr<Specification> ParseSpecification(const MarkedText& specification) {
  const std::string_view text = specification.bytes();
  Specification spec;
  std::size_t i = 0;
  const std::string_view aligns = "<>^=";
  if (!text.empty()) {
    Utf8Reader reader(text);
    reader.Next();
    const std::size_t first = reader.position();
    if (first < text.size() && aligns.find(text[first]) != std::string_view::npos) {
      spec.fill = specification.Slice(0, first);
      spec.align = text[first];
      i = first + 1;
    } else if (aligns.find(text[0]) != std::string_view::npos) {
      spec.align = text[0];
      i = 1;
    }
  }
  const auto skip = [&](char byte) {
    if (i >= text.size() || text[i] != byte) return false;
    ++i;
    return true;
  };
  for (const char sign : {'+', '-', ' '}) {
    if (skip(sign)) spec.sign = sign;
  }
  spec.alternate = skip('#');
  if (skip('0') && spec.align == 0) {
    spec.fill = MarkedText("0", false);
    spec.align = '=';
  }
  ASSIGN_OR_RETURN(const std::optional<std::int64_t> width, ReadNumber(text, i));
  spec.width = width.value_or(0);
  spec.comma = skip(',');
  if (skip('.')) {
    ASSIGN_OR_RETURN(spec.precision, ReadNumber(text, i));
    if (!spec.precision.has_value()) return UnsupportedFormat(text);
  }
  if (i < text.size()) spec.type = text[i++];
  if (i != text.size()) return UnsupportedFormat(text);
  return spec;
}

absl::StatusOr<MarkedText> FormatValue(const Value& value, const MarkedText& specification,
                                       Budget& budget) {
  const std::string_view text = specification.bytes();
  ASSIGN_OR_RETURN(Specification spec, ParseSpecification(specification));
  const bool is_plain = text.empty();
  if (value.is_number() && !(value.is_bool() && is_plain)) {
    const std::string_view types = value.is_integral() ? "dxXobeEfFgG%" : "eEfFgG%";
    const bool as_integer = value.is_integral() && std::string_view("dxXob").find(spec.type) < 5;
    if ((spec.type != 0 && types.find(spec.type) == std::string_view::npos) ||
        (spec.precision.has_value() && (as_integer || spec.type == 0)) ||
        (spec.comma && spec.align == '=')) {
      return UnsupportedFormat(text);
    }
    return FormatNumber(value, spec);
  }
  if (!value.is_text() && !is_plain) return UnsupportedFormat(text);
  if (spec.type != 0 && spec.type != 's') return UnsupportedFormat(text);
  if (spec.align == '=' || spec.comma || spec.sign != '-' || spec.alternate) {
    return UnsupportedFormat(text);
  }
  ASSIGN_OR_RETURN(const MarkedText plain, ToText(value, budget));
  return Pad(FirstCharacters(plain, spec.precision), spec, '<');
}

// The value that a field such as "0.name[key]" names. `next` counts the fields without a number.
absl::StatusOr<Value> FieldValue(std::string_view field, const Arguments& arguments,
                                 std::size_t& next, Budget& budget) {
  const std::size_t name_end = std::min(field.find_first_of(".["), field.size());
  const std::string_view name = field.substr(0, name_end);
  std::string_view rest = field.substr(name_end);
  std::size_t index = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), index);
  const bool is_number = read.ec == std::errc() && read.ptr == name.data() + name.size();
  Value value;
  if (name.empty() || is_number) {
    if (name.empty()) index = next++;
    if (index >= arguments.positional.size()) {
      return TypeError("Replacement index is out of range for positional args");
    }
    value = arguments.positional[index];
  } else {
    const auto found =
        std::find_if(arguments.named.begin(), arguments.named.end(),
                     [&](const auto& argument) { return argument.first.bytes() == name; });
    if (found == arguments.named.end()) {
      return TypeError(absl::StrCat("no argument '", Excerpt(name), "'"));
    }
    value = found->second;
  }
  while (!rest.empty()) {
    const bool is_item = rest[0] == '[';
    const std::size_t end =
        is_item ? rest.find(']') : std::min(rest.find_first_of(".[", 1), rest.size());
    if (end == std::string_view::npos) return TypeError("a ']' is missing in a format field");
    const std::string key(rest.substr(1, end - 1));
    if (is_item) {
      std::int64_t number = 0;
      const auto parsed = std::from_chars(key.data(), key.data() + key.size(), number);
      const bool is_index = parsed.ec == std::errc() && parsed.ptr == key.data() + key.size();
      ASSIGN_OR_RETURN(value,
                       GetItem(value, is_index ? Value::Int(number) : Value::Text(key), budget));
    } else {
      ASSIGN_OR_RETURN(value, GetAttribute(value, key, budget));
    }
    rest.remove_prefix(end + (is_item ? 1 : 0));
  }
  return value;
}

}  // namespace

absl::StatusOr<Value> PrintfFormat(const MarkedText& format, const Value& arguments,
                                   Budget& budget) {
  const std::string_view bytes = format.bytes();
  PrintfArguments values(arguments);
  MarkedText result;
  std::size_t i = 0;
  while (i < bytes.size()) {
    RETURN_IF_ERROR(budget.Step());
    const std::size_t percent = std::min(bytes.find('%', i), bytes.size());
    result.AppendRange(format, i, percent);
    if (percent == bytes.size()) break;
    i = percent + 1;
    std::optional<std::string> name;
    if (i < bytes.size() && bytes[i] == '(') {
      const std::size_t close = bytes.find(')', i);
      if (close == std::string_view::npos) return TypeError("incomplete format key");
      name = std::string(bytes.substr(i + 1, close - i - 1));
      i = close + 1;
    }
    Specification spec;
    for (; i < bytes.size() && std::string_view("-+ #0").find(bytes[i]) < 5; ++i) {
      if (bytes[i] == '-') spec.align = '<';
      if (bytes[i] == '+' || (bytes[i] == ' ' && spec.sign != '+')) spec.sign = bytes[i];
      if (bytes[i] == '#') spec.alternate = true;
      if (bytes[i] == '0' && spec.align == 0) {
        spec.fill = MarkedText("0", false);
        spec.align = '=';
      }
    }
    if (spec.align == '<') spec.fill = MarkedText(" ", false);
    ASSIGN_OR_RETURN(const std::optional<std::int64_t> width, ReadNumber(bytes, i));
    spec.width = width.value_or(0);
    if (i < bytes.size() && bytes[i] == '.') {
      ++i;
      ASSIGN_OR_RETURN(const std::optional<std::int64_t> precision, ReadNumber(bytes, i));
      spec.precision = precision.value_or(0);
    }
    if (i >= bytes.size()) return TypeError("incomplete format");
    spec.type = bytes[i++];
    if (spec.type == '%') {
      result.AppendRange(format, i - 1, i);
      continue;
    }
    if (std::string_view("srdiufFeEgGxXoc").find(spec.type) == std::string_view::npos) {
      return TypeError(
          absl::StrCat("unsupported format character '", std::string(1, spec.type), "'"));
    }
    if (spec.type == 'u') spec.type = 'd';
    if (spec.align == '=' && std::string_view("src").find(spec.type) < 3) {
      spec.align = '>';
      spec.fill = MarkedText(" ", false);
    }
    ASSIGN_OR_RETURN(const Value value, name.has_value() ? values.Named(*name) : values.Next());
    ASSIGN_OR_RETURN(const MarkedText text, Convert(value, spec, budget));
    RETURN_IF_ERROR(budget.Bytes(text.size()));
    result.Append(text);
  }
  RETURN_IF_ERROR(values.Finish());
  return MakeText(std::move(result), budget);
}

absl::StatusOr<Value> BraceFormat(const MarkedText& format, const Arguments& arguments,
                                  Budget& budget) {
  const std::string_view bytes = format.bytes();
  MarkedText result;
  std::size_t next = 0;
  std::size_t i = 0;
  while (i < bytes.size()) {
    RETURN_IF_ERROR(budget.Step());
    const std::size_t brace = std::min(bytes.find_first_of("{}", i), bytes.size());
    result.AppendRange(format, i, brace);
    if (brace == bytes.size()) break;
    if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
      result.AppendRange(format, brace, brace + 1);
      i = brace + 2;
      continue;
    }
    if (bytes[brace] == '}') return TypeError("Single '}' encountered in format string");
    const std::size_t end = bytes.find('}', brace);
    if (end == std::string_view::npos) return TypeError("Single '{' encountered in format string");
    std::string_view field = bytes.substr(brace + 1, end - brace - 1);
    if (field.find('{') != std::string_view::npos) return UnsupportedFormat(field);
    const std::size_t colon = std::min(field.find(':'), field.size());
    const MarkedText spec =
        format.Slice(std::min(brace + 1 + colon + 1, end), end);  // empty without a colon
    field = field.substr(0, colon);
    char conversion = 0;
    if (field.size() >= 2 && field[field.size() - 2] == '!') {
      conversion = field.back();
      field.remove_suffix(2);
    }
    ASSIGN_OR_RETURN(Value value, FieldValue(field, arguments, next, budget));
    if (conversion == 'r') {
      ASSIGN_OR_RETURN(MarkedText text, Represent(value, budget));
      value = Value::Text(std::move(text));
    } else if (conversion == 's') {
      ASSIGN_OR_RETURN(MarkedText text, ToText(value, budget));
      value = Value::Text(std::move(text));
    } else if (conversion != 0) {
      return UnsupportedFormat(field);
    }
    ASSIGN_OR_RETURN(const MarkedText text, FormatValue(value, spec, budget));
    RETURN_IF_ERROR(budget.Bytes(text.size()));
    result.Append(text);
    i = end + 1;
  }
  return MakeText(std::move(result), budget);
}

}  // namespace recycling::chat
