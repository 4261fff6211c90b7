// Attributes and items of values, and what can be called.
#ifndef RECYCLING_COMMON_CHAT_LOOKUP_H_
#define RECYCLING_COMMON_CHAT_LOOKUP_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/chat/budget.h"
#include "common/chat/value.h"

namespace recycling::chat {

// value.name, as Jinja2's sandbox finds it: methods, then items. An undefined value if there is
// none, or if it is not safe. InvalidArgument if `value` is undefined. ResourceExhausted if a
// method of `value` would nest too deep, or from the budget.
absl::StatusOr<Value> GetAttribute(const Value& value, const std::string& name, Budget& budget);

// value[index], as Jinja2 finds it: items, then methods. Undefined as above.
absl::StatusOr<Value> GetItem(const Value& value, const Value& index, Budget& budget);

// The value at a path such as "function.name" or "0", which filters take.
absl::StatusOr<Value> GetPath(const Value& value, const Value& path, Budget& budget);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_LOOKUP_H_
