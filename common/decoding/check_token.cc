#include "common/decoding/check_token.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace recycling {

absl::Status CheckTokens(std::string_view name, std::span<const TokenId> ids,
                         std::uint32_t vocab_size) {
  const auto wrong =
      std::find_if(ids.begin(), ids.end(), [&](TokenId id) { return id >= vocab_size; });
  if (wrong == ids.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(std::string(name), ": got token id ", *wrong,
                                                 ", expected less than ", vocab_size));
}

}  // namespace recycling
