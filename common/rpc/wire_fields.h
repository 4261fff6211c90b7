// Walks over the fields of a serialized protobuf message without building the message.
#ifndef RECYCLING_COMMON_RPC_WIRE_FIELDS_H_
#define RECYCLING_COMMON_RPC_WIRE_FIELDS_H_

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>

namespace recycling {

// The tag of a field that is a string, bytes, a message or packed numbers.
constexpr std::uint32_t LengthDelimitedTag(int field) {
  return static_cast<std::uint32_t>(field) << 3 | 2;
}

// Skips the value of the field whose `tag` has just been read. False if the bytes end before the
// value does, or if proto3 never writes this kind of tag (for example groups).
bool SkipField(google::protobuf::io::CodedInputStream* input, std::uint32_t tag);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_WIRE_FIELDS_H_
