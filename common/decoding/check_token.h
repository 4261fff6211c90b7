#ifndef RECYCLING_COMMON_DECODING_CHECK_TOKEN_H_
#define RECYCLING_COMMON_DECODING_CHECK_TOKEN_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "common/decoding/token_id.h"

namespace recycling {

// OK if every id is less than `vocab_size`. Else InvalidArgument "<name>: got token id <id>,
// expected less than <vocab_size>" for the first id that is not.
absl::Status CheckTokens(std::string_view name, std::span<const TokenId> ids,
                         std::uint32_t vocab_size);

}  // namespace recycling

#endif  // RECYCLING_COMMON_DECODING_CHECK_TOKEN_H_
