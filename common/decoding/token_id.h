#ifndef RECYCLING_COMMON_DECODING_TOKEN_ID_H_
#define RECYCLING_COMMON_DECODING_TOKEN_ID_H_

#include <cstdint>

namespace recycling {

// A token of the model's vocabulary, in [0, vocab_size).
using TokenId = std::uint32_t;

}  // namespace recycling

#endif  // RECYCLING_COMMON_DECODING_TOKEN_ID_H_
