// The tests of templates: {% if x is defined %}.
#ifndef RECYCLING_COMMON_CHAT_VALUE_TESTS_H_
#define RECYCLING_COMMON_CHAT_VALUE_TESTS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/chat/arguments.h"
#include "common/chat/budget.h"
#include "common/chat/value.h"

namespace recycling::chat {

bool IsTest(std::string_view name);
// The message for a name that is no test.
std::string UnknownTest(std::string_view name);

// InvalidArgument if there is no test of this name, or if the arguments do not fit.
absl::StatusOr<bool> ApplyTest(std::string_view name, const Value& value,
                               const Arguments& arguments, Budget& budget);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_VALUE_TESTS_H_
