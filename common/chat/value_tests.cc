#include "common/chat/value_tests.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/filters.h"
#include "common/chat/operators.h"
#include "common/chat/unicode_text.h"
#include "common/tokenizer/utf8.h"

namespace recycling::chat {
namespace {

using Result = absl::StatusOr<bool>;

struct Test {
  std::string_view name;
  std::size_t arguments;  // beside the value
  Result (*apply)(const Value& value, const std::vector<Value>& arguments, Budget& budget);
};

template <bool (*kPredicate)(const Value&)>
Result Plain(const Value& value, const std::vector<Value>&, Budget&) {
  return kPredicate(value);
}

bool IsDefined(const Value& value) { return !value.is_undefined(); }
bool IsUndefined(const Value& value) { return value.is_undefined(); }
bool IsNone(const Value& value) { return value.is_none(); }
bool IsBoolean(const Value& value) { return value.is_bool(); }
bool IsTrue(const Value& value) { return value.is_bool() && value.boolean(); }
bool IsFalse(const Value& value) { return value.is_bool() && !value.boolean(); }
bool IsInteger(const Value& value) { return value.is_int(); }
bool IsFloat(const Value& value) { return value.is_float(); }
bool IsNumber(const Value& value) { return value.is_number(); }
bool IsString(const Value& value) { return value.is_text(); }
bool IsMapping(const Value& value) { return value.dict() != nullptr; }
bool IsCallable(const Value& value) {
  return value.callable() != nullptr || value.loop() != nullptr;
}
bool IsSequenceLike(const Value& value) {
  const List* list = value.list();
  if (list != nullptr) return list->kind != ListKind::kIterator && list->kind != ListKind::kView;
  return LengthOf(value).has_value();
}

// Whether the text has a letter with case and `is_wanted` is true for all of them.
template <bool (*kIsWanted)(char32_t), bool (*kIsOther)(char32_t)>
Result HasCase(const Value& value, const std::vector<Value>&, Budget& budget) {
  ASSIGN_OR_RETURN(const MarkedText text, ToText(value, budget));
  bool found = false;
  RETURN_IF_ERROR(budget.Step(text.size() / 16));
  for (Utf8Reader reader(text.bytes()); !reader.done();) {
    const char32_t character = reader.Next().value_or(0xFFFD);
    if (kIsOther(character)) return false;
    found = found || kIsWanted(character);
  }
  return found;
}

template <typename Predicate>
Result Ordered(const Value& value, const Value& other, std::string_view operation, Budget& budget,
               Predicate predicate) {
  if (IsNan(value) || IsNan(other)) return false;
  ASSIGN_OR_RETURN(const int order, Compare(value, other, operation, budget));
  return predicate(order);
}

// value % divisor == remainder.
Result HasRemainder(const Value& value, const Value& divisor, std::int64_t remainder,
                    Budget& budget) {
  ASSIGN_OR_RETURN(const Value rest, Arithmetic("%", value, divisor, budget));
  return Equals(rest, Value::Int(remainder), budget);
}

Result IsOdd(const Value& value, const std::vector<Value>&, Budget& budget) {
  return HasRemainder(value, Value::Int(2), 1, budget);
}
Result IsEven(const Value& value, const std::vector<Value>&, Budget& budget) {
  return HasRemainder(value, Value::Int(2), 0, budget);
}
Result IsDivisible(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  return HasRemainder(value, arguments[0], 0, budget);
}
Result IsEqual(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  return Equals(value, arguments[0], budget);
}
Result IsUnequal(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  ASSIGN_OR_RETURN(const bool equal, Equals(value, arguments[0], budget));
  return !equal;
}
Result IsLess(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  return Ordered(value, arguments[0], "<", budget, [](int order) { return order < 0; });
}
Result IsAtMost(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  return Ordered(value, arguments[0], "<=", budget, [](int order) { return order <= 0; });
}
Result IsGreater(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  return Ordered(value, arguments[0], ">", budget, [](int order) { return order > 0; });
}
Result IsAtLeast(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  return Ordered(value, arguments[0], ">=", budget, [](int order) { return order >= 0; });
}
Result IsIn(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  return Contains(arguments[0], value, budget);
}
// The same object. Python shares the objects of None, bools and small integers.
Result IsSame(const Value& value, const std::vector<Value>& arguments, Budget& budget) {
  const Value& other = arguments[0];
  if (value.is_undefined()) return false;  // Each use of an undefined name makes a new object.
  if (value.is_bool() != other.is_bool() || value.is_int() != other.is_int()) return false;
  if (value.list() != nullptr || value.dict() != nullptr) {
    return value.list() == other.list() && value.dict() == other.dict();
  }
  return Equals(value, other, budget);
}
Result NamesFilter(const Value& value, const std::vector<Value>&, Budget&) {
  return value.is_text() && IsFilter(value.text()->bytes());
}
Result NamesTest(const Value& value, const std::vector<Value>&, Budget&) {
  return value.is_text() && IsTest(value.text()->bytes());
}
Result IsEscaped(const Value& value, const std::vector<Value>&, Budget&) { return value.markup(); }

constexpr std::array kTests = {
    Test{"defined", 0, Plain<IsDefined>},
    Test{"undefined", 0, Plain<IsUndefined>},
    Test{"none", 0, Plain<IsNone>},
    Test{"boolean", 0, Plain<IsBoolean>},
    Test{"true", 0, Plain<IsTrue>},
    Test{"false", 0, Plain<IsFalse>},
    Test{"integer", 0, Plain<IsInteger>},
    Test{"float", 0, Plain<IsFloat>},
    Test{"number", 0, Plain<IsNumber>},
    Test{"string", 0, Plain<IsString>},
    Test{"mapping", 0, Plain<IsMapping>},
    Test{"iterable", 0, Plain<IsIterable>},
    Test{"sequence", 0, Plain<IsSequenceLike>},
    Test{"callable", 0, Plain<IsCallable>},
    Test{"upper", 0, HasCase<IsUpper, IsLower>},
    Test{"lower", 0, HasCase<IsLower, IsUpper>},
    Test{"escaped", 0, IsEscaped},
    Test{"odd", 0, IsOdd},
    Test{"even", 0, IsEven},
    Test{"divisibleby", 1, IsDivisible},
    Test{"sameas", 1, IsSame},
    Test{"in", 1, IsIn},
    Test{"filter", 0, NamesFilter},
    Test{"test", 0, NamesTest},
    Test{"==", 1, IsEqual},
    Test{"eq", 1, IsEqual},
    Test{"equalto", 1, IsEqual},
    Test{"!=", 1, IsUnequal},
    Test{"ne", 1, IsUnequal},
    Test{"<", 1, IsLess},
    Test{"lt", 1, IsLess},
    Test{"lessthan", 1, IsLess},
    Test{"<=", 1, IsAtMost},
    Test{"le", 1, IsAtMost},
    Test{">", 1, IsGreater},
    Test{"gt", 1, IsGreater},
    Test{"greaterthan", 1, IsGreater},
    Test{">=", 1, IsAtLeast},
    Test{"ge", 1, IsAtLeast},
};

const Test* FindTest(std::string_view name) {
  const auto* found = std::find_if(kTests.begin(), kTests.end(),
                                   [name](const Test& test) { return test.name == name; });
  return found == kTests.end() ? nullptr : found;
}

}  // namespace

bool IsTest(std::string_view name) { return FindTest(name) != nullptr; }

std::string UnknownTest(std::string_view name) {
  return absl::StrCat("no test named '", Excerpt(name), "'");
}

absl::StatusOr<bool> ApplyTest(std::string_view name, const Value& value,
                               const Arguments& arguments, Budget& budget) {
  RETURN_IF_ERROR(budget.Step());
  const Test* test = FindTest(name);
  if (test == nullptr) return TypeError(UnknownTest(name));
  if (!arguments.named.empty() || arguments.positional.size() != test->arguments) {
    return TypeError(absl::StrCat("test '", std::string(name), "' takes ", test->arguments,
                                  " arguments, got ",
                                  arguments.positional.size() + arguments.named.size()));
  }
  return test->apply(value, arguments.positional, budget);
}

}  // namespace recycling::chat
