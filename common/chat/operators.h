// Python's operators on values. An error is InvalidArgument with a message like Python's, or
// ResourceExhausted from the budget; neither has a position in the template yet.
#ifndef RECYCLING_COMMON_CHAT_OPERATORS_H_
#define RECYCLING_COMMON_CHAT_OPERATORS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/chat/budget.h"
#include "common/chat/value.h"

namespace recycling::chat {

// Python's name of the type of a value, for messages: "str", "int", "NoneType".
const char* TypeName(const Value& value);

absl::Status TypeError(std::string message);
// The error of using an undefined value.
absl::Status UndefinedError(const Undefined& undefined);

bool IsTruthy(const Value& value);
// A float that no number is less than, equal to or greater than.
bool IsNan(const Value& value);

// str(value) and repr(value). The parts of the text that came from messages are marked.
absl::StatusOr<MarkedText> ToText(const Value& value, Budget& budget);
absl::StatusOr<MarkedText> Represent(const Value& value, Budget& budget);
// As Python prints a float: the shortest digits that give the same number back.
std::string FloatText(double value);

absl::StatusOr<bool> Equals(const Value& left, const Value& right, Budget& budget);
// Negative, 0 or positive. An error for values that Python does not order.
absl::StatusOr<int> Compare(const Value& left, const Value& right, std::string_view operation,
                            Budget& budget);
// item in container.
absl::StatusOr<bool> Contains(const Value& container, const Value& item, Budget& budget);

// left <operation> right, for + - * / // % **.
absl::StatusOr<Value> Arithmetic(std::string_view operation, const Value& left, const Value& right,
                                 Budget& budget);
absl::StatusOr<Value> Negate(const Value& value);

// len(value): characters, items or entries. Nothing if the value has no length.
std::optional<std::int64_t> LengthOf(const Value& value);

// The items that a loop over `value` gives: characters, items, keys. Takes them from an iterator.
// An error if the value cannot be iterated.
absl::StatusOr<std::vector<Value>> Iterate(const Value& value, Budget& budget);
bool IsIterable(const Value& value);

// value[index]; nothing if there is no such item.
absl::StatusOr<std::optional<Value>> ItemOf(const Value& value, const Value& index);
// value[begin:end:step]; nothing if the value cannot be sliced.
absl::StatusOr<std::optional<Value>> SliceOf(const Value& value, const Value& begin,
                                             const Value& end, const Value& step, Budget& budget);

// A new list; an error if it nests too deep or the budget is spent.
absl::StatusOr<Value> MakeList(std::vector<Value> items, Budget& budget,
                               ListKind kind = ListKind::kList, bool marked = false);
// A new text.
absl::StatusOr<Value> MakeText(MarkedText text, Budget& budget);

// `text` with & < > ' " as HTML entities.
MarkedText EscapeHtml(const MarkedText& text);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_OPERATORS_H_
