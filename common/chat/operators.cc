#include "common/chat/operators.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/chat/text_format.h"
#include "common/chat/unicode_text.h"
#include "common/tokenizer/utf8.h"

namespace recycling::chat {
namespace {

constexpr std::uint64_t kBytesPerItem = sizeof(Value);

absl::Status TooLarge() { return TypeError("an integer beyond 64 bits"); }

// Writes a value as str() or repr() does.
class TextWriter {
 public:
  explicit TextWriter(Budget& budget) : budget_(budget) {}

  absl::Status Str(const Value& value) {
    if (const MarkedText* text = value.text()) {
      RETURN_IF_ERROR(budget_.Bytes(text->size()));
      text_.Append(*text);
      return absl::OkStatus();
    }
    if (value.is_undefined()) return absl::OkStatus();
    return Repr(value);
  }

  absl::Status Repr(const Value& value) {
    RETURN_IF_ERROR(budget_.Step());
    RETURN_IF_ERROR(budget_.Bytes(8));
    const bool marked = value.marked();
    if (value.is_undefined()) {
      text_.Append("Undefined", false);
    } else if (value.is_none()) {
      text_.Append("None", marked);
    } else if (value.is_bool()) {
      text_.Append(value.boolean() ? "True" : "False", marked);
    } else if (value.is_int()) {
      text_.Append(absl::StrCat(value.integer()), marked);
    } else if (value.is_float()) {
      text_.Append(FloatText(value.number()), marked);
    } else if (const MarkedText* text = value.text()) {
      return Quoted(*text);
    } else if (const List* list = value.list()) {
      return Items(*list, marked);
    } else if (const Dict* dict = value.dict()) {
      return Entries(*dict, marked);
    } else if (value.names() != nullptr) {
      text_.Append("<Namespace>", false);
    } else if (value.loop() != nullptr) {
      text_.Append("<LoopContext>", false);
    } else {
      text_.Append("<function>", false);
    }
    return absl::OkStatus();
  }

  MarkedText Take() { return std::move(text_); }

 private:
  absl::Status Quoted(const MarkedText& text) {
    const std::string& bytes = text.bytes();
    RETURN_IF_ERROR(budget_.Bytes(bytes.size()));
    const bool has_single = bytes.find('\'') != std::string::npos;
    const bool has_double = bytes.find('"') != std::string::npos;
    const char quote = has_single && !has_double ? '"' : '\'';
    // The quotes have the mark of the text, because the template did not write them either.
    const bool marked = text.HasMarks();
    text_.Append(std::string_view(&quote, 1), marked);
    Utf8Reader reader(bytes);
    while (!reader.done()) {
      const std::size_t begin = reader.position();
      const char32_t character = reader.Next().value_or(0xFFFD);
      const bool is_marked = text.IsMarked(begin);
      if (character == static_cast<char32_t>(quote) || character == '\\') {
        text_.Append("\\", is_marked);
        text_.AppendRange(text, begin, reader.position());
      } else if (character == '\n') {
        text_.Append("\\n", is_marked);
      } else if (character == '\r') {
        text_.Append("\\r", is_marked);
      } else if (character == '\t') {
        text_.Append("\\t", is_marked);
      } else if (IsPrintable(character)) {
        text_.AppendRange(text, begin, reader.position());
      } else {
        const auto code = static_cast<std::uint32_t>(character);
        text_.Append(code < 0x100     ? absl::StrFormat("\\x%02x", code)
                     : code < 0x10000 ? absl::StrFormat("\\u%04x", code)
                                      : absl::StrFormat("\\U%08x", code),
                     is_marked);
      }
    }
    text_.Append(std::string_view(&quote, 1), marked);
    return absl::OkStatus();
  }

  absl::Status Items(const List& list, bool marked) {
    if (list.kind == ListKind::kIterator) {
      text_.Append("<generator object>", false);
      return absl::OkStatus();
    }
    const bool is_tuple = list.kind == ListKind::kTuple;
    text_.Append(is_tuple ? "(" : "[", marked);
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) text_.Append(", ", marked);
      RETURN_IF_ERROR(Repr(list.items[i]));
    }
    text_.Append(is_tuple ? (list.items.size() == 1 ? ",)" : ")") : "]", marked);
    return absl::OkStatus();
  }

  absl::Status Entries(const Dict& dict, bool marked) {
    text_.Append("{", marked);
    for (std::size_t i = 0; i < dict.entries().size(); ++i) {
      if (i > 0) text_.Append(", ", marked);
      RETURN_IF_ERROR(Repr(dict.entries()[i].key));
      text_.Append(": ", marked);
      RETURN_IF_ERROR(Repr(dict.entries()[i].value));
    }
    text_.Append("}", marked);
    return absl::OkStatus();
  }

  Budget& budget_;
  MarkedText text_;
};

std::string TypeNames(const Value& left, const Value& right) {
  return absl::StrCat("'", TypeName(left), "' and '", TypeName(right), "'");
}

absl::Status Unsupported(std::string_view operation, const Value& left, const Value& right) {
  if (left.is_undefined()) return UndefinedError(*left.undefined());
  if (right.is_undefined()) return UndefinedError(*right.undefined());
  if (operation == "+" && left.is_text()) {
    return TypeError(
        absl::StrCat("can only concatenate str (not \"", TypeName(right), "\") to str"));
  }
  return TypeError(absl::StrCat("unsupported operand types for ", std::string(operation), ": ",
                                TypeNames(left, right)));
}

// left ** right.
absl::StatusOr<Value> Power(const Value& left, const Value& right, bool marked) {
  if (left.is_integral() && right.is_integral() && right.integer() >= 0) {
    std::int64_t result = 1;
    const std::int64_t base = left.integer();
    const std::int64_t exponent = right.integer();
    if (base == 0 || base == 1) return Value::Int(exponent == 0 ? 1 : base, marked);
    if (base == -1) return Value::Int(exponent % 2 == 0 ? 1 : -1, marked);
    for (std::int64_t i = 0; i < exponent; ++i) {  // at most 63 times
      if (__builtin_mul_overflow(result, base, &result)) return TooLarge();
    }
    return Value::Int(result, marked);
  }
  if (left.number() == 0 && right.number() < 0)
    return TypeError("0.0 cannot be raised to a negative power");
  if (left.number() < 0 && right.number() != std::floor(right.number())) {
    return TypeError("a complex result");
  }
  const double result = std::pow(left.number(), right.number());
  if (std::isinf(result) && std::isfinite(left.number()) && std::isfinite(right.number())) {
    return TypeError("numerical result out of range");
  }
  return Value::Float(result, marked);
}

absl::StatusOr<Value> IntArithmetic(std::string_view operation, std::int64_t left,
                                    std::int64_t right, bool marked) {
  std::int64_t result = 0;
  bool overflow = false;
  if (operation == "+") {
    overflow = __builtin_add_overflow(left, right, &result);
  } else if (operation == "-") {
    overflow = __builtin_sub_overflow(left, right, &result);
  } else if (operation == "*") {
    overflow = __builtin_mul_overflow(left, right, &result);
  } else {
    if (right == 0) return TypeError("integer division or modulo by zero");
    if (operation == "/") {
      return Value::Float(static_cast<double>(left) / static_cast<double>(right), marked);
    }
    if (right == -1) {  // The quotient of the smallest integer does not fit.
      if (operation == "%") return Value::Int(0, marked);
      overflow = __builtin_sub_overflow(std::int64_t{0}, left, &result);
    } else {
      // Python rounds down, C++ towards 0.
      const std::int64_t remainder = left % right;
      const bool differs = remainder != 0 && (remainder < 0) != (right < 0);
      result =
          operation == "%" ? remainder + (differs ? right : 0) : left / right - (differs ? 1 : 0);
    }
  }
  if (overflow) return TooLarge();
  return Value::Int(result, marked);
}

absl::StatusOr<Value> FloatArithmetic(std::string_view operation, double left, double right,
                                      bool marked) {
  double result = 0;
  if (operation == "+") {
    result = left + right;
  } else if (operation == "-") {
    result = left - right;
  } else if (operation == "*") {
    result = left * right;
  } else {
    if (right == 0) return TypeError("float division by zero");
    if (operation == "/") {
      result = left / right;
    } else {
      double remainder = std::fmod(left, right);
      if (remainder != 0 && (remainder < 0) != (right < 0)) remainder += right;
      if (remainder == 0) remainder = std::copysign(0.0, right);
      result = operation == "%" ? remainder : std::round((left - remainder) / right);
    }
  }
  return Value::Float(result, marked);
}

absl::StatusOr<Value> Repeat(const Value& value, std::int64_t times, Budget& budget) {
  times = std::max<std::int64_t>(times, 0);
  const auto count = static_cast<std::uint64_t>(times);
  if (const MarkedText* text = value.text()) {
    if (text->empty() || count == 0) return Value::Text("");
    RETURN_IF_ERROR(budget.Items(count, text->size()));
    RETURN_IF_ERROR(budget.Step(count / 64));
    MarkedText result;
    for (std::uint64_t i = 0; i < count; ++i) result.Append(*text);
    return Value::Text(std::move(result));
  }
  const List& list = *value.list();
  std::vector<Value> items;
  if (!list.items.empty()) {
    RETURN_IF_ERROR(budget.Items(count, list.items.size() * kBytesPerItem));
    for (std::uint64_t i = 0; i < count; ++i) {
      items.insert(items.end(), list.items.begin(), list.items.end());
    }
  }
  return MakeList(std::move(items), budget, list.kind, value.marked());
}

bool IsSequence(const Value& value) {
  const List* list = value.list();
  return list != nullptr && (list->kind == ListKind::kList || list->kind == ListKind::kTuple);
}

absl::StatusOr<Value> Add(const Value& left, const Value& right, Budget& budget) {
  if (left.is_text() && right.is_text()) {
    const bool markup = left.markup() || right.markup();
    MarkedText sum = markup && !left.markup() ? EscapeHtml(*left.text()) : *left.text();
    sum.Append(markup && !right.markup() ? EscapeHtml(*right.text()) : *right.text());
    ASSIGN_OR_RETURN(const Value text, MakeText(std::move(sum), budget));
    return markup ? text.AsMarkup() : text;
  }
  if (IsSequence(left) && IsSequence(right) && left.list()->kind == right.list()->kind) {
    std::vector<Value> items = left.list()->items;
    items.insert(items.end(), right.list()->items.begin(), right.list()->items.end());
    return MakeList(std::move(items), budget, left.list()->kind, left.marked() || right.marked());
  }
  return Unsupported("+", left, right);
}

// The bounds of a slice of `length` items, as Python's slice.indices gives them.
struct SliceBounds {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t step;

  std::int64_t count() const {
    if (step > 0) return begin < end ? (end - begin - 1) / step + 1 : 0;
    return end < begin ? (begin - end - 1) / -step + 1 : 0;
  }
};

absl::StatusOr<SliceBounds> BoundsOf(const Value& begin, const Value& end, const Value& step,
                                     std::int64_t length) {
  for (const Value* part : {&begin, &end, &step}) {
    if (part->is_undefined()) return UndefinedError(*part->undefined());
    if (!part->is_none() && !part->is_integral()) {
      return TypeError("slice indices must be integers or None");
    }
  }
  // Larger steps give the same items, and this one cannot overflow.
  const std::int64_t stride =
      step.is_none() ? 1 : std::clamp<std::int64_t>(step.integer(), -length - 1, length + 1);
  if (stride == 0) return TypeError("slice step cannot be zero");
  const std::int64_t lowest = stride > 0 ? 0 : -1;
  const std::int64_t highest = stride > 0 ? length : length - 1;
  const auto bound = [&](const Value& value, std::int64_t otherwise) {
    if (value.is_none()) return otherwise;
    const std::int64_t index = value.integer();
    return std::clamp(index < 0 ? index + length : index, lowest, highest);
  };
  return SliceBounds{bound(begin, stride > 0 ? lowest : highest),
                     bound(end, stride > 0 ? highest : lowest), stride};
}

}  // namespace

const char* TypeName(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "NoneType";
  if (value.is_bool()) return "bool";
  if (value.is_int()) return "int";
  if (value.is_float()) return "float";
  if (value.is_text()) return "str";
  if (value.dict() != nullptr) return "dict";
  if (value.names() != nullptr) return "Namespace";
  if (value.loop() != nullptr) return "LoopContext";
  if (const List* list = value.list()) {
    switch (list->kind) {
      case ListKind::kList:
        return "list";
      case ListKind::kTuple:
        return "tuple";
      case ListKind::kRange:
        return "range";
      case ListKind::kView:
        return "dict_items";
      case ListKind::kIterator:
        return "generator";
    }
  }
  return "function";
}

absl::Status TypeError(std::string message) { return absl::InvalidArgumentError(message); }

absl::Status UndefinedError(const Undefined& undefined) {
  return absl::InvalidArgumentError(undefined.reason);
}

bool IsNan(const Value& value) { return value.is_float() && std::isnan(value.number()); }

bool IsTruthy(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_number()) return value.number() != 0;
  if (const MarkedText* text = value.text()) return !text->empty();
  if (const Dict* dict = value.dict()) return dict->size() > 0;
  if (const List* list = value.list()) {
    return list->kind == ListKind::kIterator || !list->items.empty();
  }
  return true;
}

absl::StatusOr<MarkedText> ToText(const Value& value, Budget& budget) {
  TextWriter writer(budget);
  RETURN_IF_ERROR(writer.Str(value));
  return writer.Take();
}

absl::StatusOr<MarkedText> Represent(const Value& value, Budget& budget) {
  TextWriter writer(budget);
  RETURN_IF_ERROR(writer.Repr(value));
  return writer.Take();
}

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 32> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                     std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(written.ptr - buffer.data()));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const char* digits = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits, text.data() + text.size(), exponent);
  if (exponent >= -4 && exponent < 16) {
    const auto fixed = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                     std::chars_format::fixed);
    std::string result(buffer.data(), static_cast<std::size_t>(fixed.ptr - buffer.data()));
    if (result.find('.') == std::string::npos) result += ".0";
    return result;
  }
  return std::string(text);
}

absl::StatusOr<bool> Equals(const Value& left, const Value& right, Budget& budget) {
  RETURN_IF_ERROR(budget.Step());
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral()) return left.integer() == right.integer();
    return left.number() == right.number();
  }
  if (left.is_text() && right.is_text()) {
    RETURN_IF_ERROR(budget.Read(std::min(left.text()->size(), right.text()->size())));
    return left.text()->bytes() == right.text()->bytes();
  }
  if (left.is_none() || left.is_undefined()) {
    return left.is_none() == right.is_none() && left.is_undefined() == right.is_undefined();
  }
  if (left.list() != nullptr && right.list() != nullptr) {
    const List& a = *left.list();
    const List& b = *right.list();
    if (&a == &b) return true;
    if (a.kind != b.kind || a.kind == ListKind::kIterator || a.items.size() != b.items.size()) {
      return false;
    }
    for (std::size_t i = 0; i < a.items.size(); ++i) {
      ASSIGN_OR_RETURN(const bool equal, Equals(a.items[i], b.items[i], budget));
      if (!equal) return false;
    }
    return true;
  }
  if (left.dict() != nullptr && right.dict() != nullptr) {
    const Dict& a = *left.dict();
    if (a.size() != right.dict()->size()) return false;
    for (const Dict::Entry& entry : a.entries()) {
      const Value* other = right.dict()->Find(entry.key);
      if (other == nullptr) return false;
      ASSIGN_OR_RETURN(const bool equal, Equals(entry.value, *other, budget));
      if (!equal) return false;
    }
    return true;
  }
  if (left.names() != nullptr) return left.names() == right.names();
  if (left.callable() != nullptr) return left.callable() == right.callable();
  if (left.loop() != nullptr) return left.loop() == right.loop();
  return false;
}

absl::StatusOr<int> Compare(const Value& left, const Value& right, std::string_view operation,
                            Budget& budget) {
  RETURN_IF_ERROR(budget.Step());
  if (left.is_integral() && right.is_integral()) {
    return left.integer() < right.integer() ? -1 : left.integer() > right.integer() ? 1 : 0;
  }
  if (left.is_number() && right.is_number()) {
    return left.number() < right.number() ? -1 : left.number() > right.number() ? 1 : 0;
  }
  if (left.is_text() && right.is_text()) {
    RETURN_IF_ERROR(budget.Read(std::min(left.text()->size(), right.text()->size())));
    // The order of UTF-8 is that of code points.
    return left.text()->bytes().compare(right.text()->bytes());
  }
  if (IsSequence(left) && IsSequence(right) && left.list()->kind == right.list()->kind) {
    const std::vector<Value>& a = left.list()->items;
    const std::vector<Value>& b = right.list()->items;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      ASSIGN_OR_RETURN(const bool equal, Equals(a[i], b[i], budget));
      if (!equal) return Compare(a[i], b[i], operation, budget);
    }
    return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
  }
  if (left.is_undefined()) return UndefinedError(*left.undefined());
  if (right.is_undefined()) return UndefinedError(*right.undefined());
  return TypeError(absl::StrCat("'", std::string(operation),
                                "' not supported between instances of ", TypeNames(left, right)));
}

absl::StatusOr<bool> Contains(const Value& container, const Value& item, Budget& budget) {
  RETURN_IF_ERROR(budget.Step());
  if (const MarkedText* text = container.text()) {
    if (item.is_undefined()) return UndefinedError(*item.undefined());
    if (!item.is_text()) {
      return TypeError(
          absl::StrCat("'in <string>' requires string as left operand, not ", TypeName(item)));
    }
    RETURN_IF_ERROR(budget.Read(text->size()));
    return FindBytes(text->bytes(), item.text()->bytes()) != std::string_view::npos;
  }
  if (const Dict* dict = container.dict()) {
    if (item.is_text()) RETURN_IF_ERROR(budget.Read(item.text()->size()));
    if (!item.is_undefined() && !Dict::IsHashable(item)) {
      return TypeError(absl::StrCat("unhashable type: '", TypeName(item), "'"));
    }
    return dict->Find(item) != nullptr;
  }
  if (container.is_undefined()) return false;
  if (!IsIterable(container)) {
    return TypeError(absl::StrCat("argument of type '", TypeName(container), "' is not iterable"));
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(container, budget));
  for (const Value& other : items) {
    ASSIGN_OR_RETURN(const bool equal, Equals(item, other, budget));
    if (equal) return true;
  }
  return false;
}

absl::StatusOr<Value> Arithmetic(std::string_view operation, const Value& left, const Value& right,
                                 Budget& budget) {
  RETURN_IF_ERROR(budget.Step());
  const bool marked = left.marked() || right.marked();
  if (left.is_number() && right.is_number()) {
    if (operation == "**") return Power(left, right, marked);
    if (left.is_integral() && right.is_integral()) {
      return IntArithmetic(operation, left.integer(), right.integer(), marked);
    }
    return FloatArithmetic(operation, left.number(), right.number(), marked);
  }
  if (operation == "+") return Add(left, right, budget);
  if (operation == "*") {
    if ((left.is_text() || IsSequence(left)) && right.is_integral()) {
      return Repeat(left, right.integer(), budget);
    }
    if ((right.is_text() || IsSequence(right)) && left.is_integral()) {
      return Repeat(right, left.integer(), budget);
    }
  }
  if (operation == "%" && left.is_text()) return PrintfFormat(*left.text(), right, budget);
  return Unsupported(operation, left, right);
}

absl::StatusOr<Value> Negate(const Value& value) {
  if (value.is_integral()) return IntArithmetic("-", 0, value.integer(), value.marked());
  if (value.is_float()) return Value::Float(-value.number(), value.marked());
  if (value.is_undefined()) return UndefinedError(*value.undefined());
  return TypeError(absl::StrCat("bad operand type for unary -: '", TypeName(value), "'"));
}

std::optional<std::int64_t> LengthOf(const Value& value) {
  if (value.is_undefined()) return 0;
  if (const MarkedText* text = value.text()) {
    return static_cast<std::int64_t>(CountCharacters(text->bytes()));
  }
  if (const Dict* dict = value.dict()) return static_cast<std::int64_t>(dict->size());
  if (const List* list = value.list(); list != nullptr && list->kind != ListKind::kIterator) {
    return static_cast<std::int64_t>(list->items.size());
  }
  return std::nullopt;
}

bool IsIterable(const Value& value) {
  return value.is_undefined() || value.is_text() || value.list() != nullptr ||
         value.dict() != nullptr || value.loop() != nullptr;
}

absl::StatusOr<std::vector<Value>> Iterate(const Value& value, Budget& budget) {
  std::vector<Value> items;
  if (List* list = value.list()) {
    if (list->kind == ListKind::kIterator) return std::exchange(list->items, {});
    RETURN_IF_ERROR(budget.Bytes(list->items.size() * kBytesPerItem));
    items = list->items;
  } else if (const Dict* dict = value.dict()) {
    RETURN_IF_ERROR(budget.Bytes(dict->size() * kBytesPerItem));
    for (const Dict::Entry& entry : dict->entries()) items.push_back(entry.key);
  } else if (const MarkedText* text = value.text()) {
    RETURN_IF_ERROR(budget.Read(text->size()));
    RETURN_IF_ERROR(
        budget.Items(CountCharacters(text->bytes()), kBytesPerItem + sizeof(MarkedText)));
    for (Utf8Reader reader(text->bytes()); !reader.done();) {
      const std::size_t begin = reader.position();
      reader.Next();
      items.push_back(Value::Text(text->Slice(begin, reader.position())));
    }
  } else if (!value.is_undefined()) {
    return TypeError(absl::StrCat("'", TypeName(value), "' object is not iterable"));
  }
  RETURN_IF_ERROR(budget.Step(items.size() / 16));
  return items;
}

absl::StatusOr<std::optional<Value>> ItemOf(const Value& value, const Value& index) {
  if (value.is_undefined()) return UndefinedError(*value.undefined());
  if (const Dict* dict = value.dict()) {
    const Value* found = dict->Find(index);
    return found == nullptr ? std::nullopt : std::make_optional(*found);
  }
  if (!index.is_integral()) return std::nullopt;
  const List* list = value.list();
  if (list != nullptr && (list->kind == ListKind::kIterator || list->kind == ListKind::kView)) {
    return std::nullopt;
  }
  if (list == nullptr && !value.is_text()) return std::nullopt;
  const std::int64_t length = *LengthOf(value);
  const std::int64_t position = index.integer() < 0 ? index.integer() + length : index.integer();
  if (position < 0 || position >= length) return std::nullopt;
  const auto at = static_cast<std::size_t>(position);
  if (list != nullptr) return list->items[at];
  const MarkedText& text = *value.text();
  if (static_cast<std::size_t>(length) == text.size()) {  // one byte a character
    return Value::Text(text.Slice(at, at + 1));
  }
  const std::size_t begin = OffsetOfCharacter(text.bytes(), at);
  const std::size_t length_of_it =
      OffsetOfCharacter(std::string_view(text.bytes()).substr(begin), 1);
  return Value::Text(text.Slice(begin, begin + length_of_it));
}

absl::StatusOr<std::optional<Value>> SliceOf(const Value& value, const Value& begin,
                                             const Value& end, const Value& step, Budget& budget) {
  if (value.is_undefined()) return UndefinedError(*value.undefined());
  const List* list = value.list();
  if (list != nullptr && (list->kind == ListKind::kIterator || list->kind == ListKind::kView)) {
    return std::nullopt;
  }
  if (list == nullptr && !value.is_text()) return std::nullopt;
  ASSIGN_OR_RETURN(const SliceBounds bounds, BoundsOf(begin, end, step, *LengthOf(value)));
  const std::int64_t count = bounds.count();
  RETURN_IF_ERROR(budget.Step(static_cast<std::uint64_t>(count) / 16));
  if (list != nullptr) {
    std::vector<Value> items;
    for (std::int64_t i = 0; i < count; ++i) {
      items.push_back(list->items[static_cast<std::size_t>(bounds.begin + i * bounds.step)]);
    }
    ASSIGN_OR_RETURN(Value slice, MakeList(std::move(items), budget, list->kind, value.marked()));
    return slice;
  }
  const MarkedText& text = *value.text();
  RETURN_IF_ERROR(budget.Read(text.size()));
  MarkedText slice;
  if (bounds.step == 1) {
    if (count > 0) {
      const auto first = static_cast<std::size_t>(bounds.begin);
      const std::size_t begin_byte = OffsetOfCharacter(text.bytes(), first);
      const std::string_view rest = std::string_view(text.bytes()).substr(begin_byte);
      slice = text.Slice(begin_byte,
                         begin_byte + OffsetOfCharacter(rest, static_cast<std::size_t>(count)));
    }
  } else {
    RETURN_IF_ERROR(budget.Items(text.size(), sizeof(std::size_t)));
    const std::vector<std::size_t> offsets = CharacterOffsets(text.bytes());
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(bounds.begin + i * bounds.step);
      slice.AppendRange(text, offsets[at], offsets[at + 1]);
    }
  }
  ASSIGN_OR_RETURN(Value result, MakeText(std::move(slice), budget));
  return result;
}

absl::StatusOr<Value> MakeList(std::vector<Value> items, Budget& budget, ListKind kind,
                               bool marked) {
  RETURN_IF_ERROR(budget.Bytes(sizeof(List) + items.size() * kBytesPerItem));
  std::shared_ptr<List> list = List::Make(std::move(items), kind);
  if (list->depth > kMaxValueDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a list nests deeper than ", kMaxValueDepth, " levels"));
  }
  return Value::Of(std::move(list), marked);
}

absl::StatusOr<Value> MakeText(MarkedText text, Budget& budget) {
  RETURN_IF_ERROR(
      budget.Bytes(sizeof(MarkedText) + text.size() + text.marked().size() * sizeof(ByteRange)));
  return Value::Text(std::move(text));
}

MarkedText EscapeHtml(const MarkedText& text) {
  MarkedText escaped;
  for (const MarkedText::Part& part : text.Parts()) {
    std::string bytes;
    for (const char byte : part.bytes) {
      switch (byte) {
        case '&':
          bytes += "&amp;";
          break;
        case '<':
          bytes += "&lt;";
          break;
        case '>':
          bytes += "&gt;";
          break;
        case '\'':
          bytes += "&#39;";
          break;
        case '"':
          bytes += "&#34;";
          break;
        default:
          bytes.push_back(byte);
      }
    }
    escaped.Append(bytes, part.marked);
  }
  return escaped;
}

}  // namespace recycling::chat
