// A part of a text.
#ifndef RECYCLING_COMMON_BASE_BYTE_RANGE_H_
#define RECYCLING_COMMON_BASE_BYTE_RANGE_H_

#include <cstddef>

namespace recycling {

// Half-open, in bytes.
struct ByteRange {
  std::size_t begin;
  std::size_t end;

  bool operator==(const ByteRange&) const = default;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_BYTE_RANGE_H_
