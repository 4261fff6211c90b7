#include "common/chat/arguments.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/chat/operators.h"
#include "common/chat/unicode_text.h"

namespace recycling::chat {

absl::StatusOr<std::vector<std::optional<Value>>> Arguments::Bind(
    std::string_view callee, std::initializer_list<std::string_view> parameters,
    std::size_t required) const {
  const std::string name = absl::StrCat(std::string(callee), "()");
  if (positional.size() > parameters.size()) {
    return TypeError(absl::StrCat(name, " takes at most ", parameters.size(), " arguments, got ",
                                  positional.size()));
  }
  std::vector<std::optional<Value>> bound(positional.begin(), positional.end());
  bound.resize(parameters.size());
  for (const auto& [argument, value] : named) {
    const auto* found = std::find(parameters.begin(), parameters.end(), argument.bytes());
    if (found == parameters.end()) {
      return TypeError(
          absl::StrCat(name, " got an unexpected argument '", Excerpt(argument.bytes()), "'"));
    }
    std::optional<Value>& slot = bound[static_cast<std::size_t>(found - parameters.begin())];
    if (slot.has_value()) {
      return TypeError(absl::StrCat(name, " got two values for '", argument.bytes(), "'"));
    }
    slot = value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!bound[i].has_value()) {
      return TypeError(
          absl::StrCat(name, " misses the argument '", std::string(parameters.begin()[i]), "'"));
    }
  }
  return bound;
}

}  // namespace recycling::chat
