#include "common/rpc/wire_fields.h"

#include <limits>

namespace recycling {

bool SkipField(google::protobuf::io::CodedInputStream* input, std::uint32_t tag) {
  if (tag >> 3 == 0) return false;  // no field has the number 0
  switch (tag & 7) {
    case 0: {  // a varint
      std::uint64_t value = 0;
      return input->ReadVarint64(&value);
    }
    case 1:  // 64 bits
      return input->Skip(8);
    case 2: {  // a length, then as many bytes
      std::uint32_t size = 0;
      constexpr auto kMost = static_cast<std::uint32_t>(std::numeric_limits<int>::max());
      return input->ReadVarint32(&size) && size <= kMost && input->Skip(static_cast<int>(size));
    }
    case 5:  // 32 bits
      return input->Skip(4);
    default:
      return false;
  }
}

}  // namespace recycling
