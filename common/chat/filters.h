// The filters of templates: {{ value|name(arguments) }}.
#ifndef RECYCLING_COMMON_CHAT_FILTERS_H_
#define RECYCLING_COMMON_CHAT_FILTERS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/chat/arguments.h"
#include "common/chat/budget.h"
#include "common/chat/value.h"

namespace recycling::chat {

bool IsFilter(std::string_view name);
// The message for a name that is no filter.
std::string UnknownFilter(std::string_view name);

// InvalidArgument if there is no filter of this name, if the arguments do not fit, or for what
// Python raises.
absl::StatusOr<Value> ApplyFilter(std::string_view name, const Value& input,
                                  const Arguments& arguments, Budget& budget);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_FILTERS_H_
