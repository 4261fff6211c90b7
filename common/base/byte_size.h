// Sizes in bytes as people write them, for flags.
#ifndef RECYCLING_COMMON_BASE_BYTE_SIZE_H_
#define RECYCLING_COMMON_BASE_BYTE_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace recycling {

// A type for ABSL_FLAG. Text: a whole number, then nothing or B, KiB, MiB, GiB or TiB, as in
// 512MiB.
struct ByteSize {
  std::uint64_t bytes = 0;
};

// For other text, or for 2^64 bytes and more, returns False and sets `error` to what is wrong.
bool AbslParseFlag(absl::string_view text, ByteSize* size, std::string* error);
// The size in the largest unit in which it is a whole number.
std::string AbslUnparseFlag(ByteSize size);

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_BYTE_SIZE_H_
