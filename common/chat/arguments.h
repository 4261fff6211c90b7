// The arguments of a call in a template.
#ifndef RECYCLING_COMMON_CHAT_ARGUMENTS_H_
#define RECYCLING_COMMON_CHAT_ARGUMENTS_H_

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/chat/value.h"

namespace recycling::chat {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<MarkedText, Value>> named;

  // The arguments by parameter, in the order of `parameters`; nothing for one that is not given.
  // InvalidArgument for too many arguments, an unknown or repeated name, or if one of the first
  // `required` parameters has no argument. `callee` is named in messages.
  absl::StatusOr<std::vector<std::optional<Value>>> Bind(
      std::string_view callee, std::initializer_list<std::string_view> parameters,
      std::size_t required = 0) const;
};

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_ARGUMENTS_H_
