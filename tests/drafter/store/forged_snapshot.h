// Snapshots with wrong fields and a correct checksum, as a hostile file may have them.
#ifndef RECYCLING_TESTS_DRAFTER_STORE_FORGED_SNAPSHOT_H_
#define RECYCLING_TESTS_DRAFTER_STORE_FORGED_SNAPSHOT_H_

#include <openssl/sha.h>

#include <cstdint>
#include <string>

namespace recycling::drafter {

// Sets the little-endian 32-bit word at `offset` of the snapshot and computes the checksum again.
inline std::string Forged(std::string bytes, std::size_t offset, std::uint32_t word) {
  for (int i = 0; i < 4; ++i) {
    bytes[offset + static_cast<std::size_t>(i)] = static_cast<char>(word >> (8 * i));
  }
  bytes.resize(bytes.size() - 32);
  unsigned char digest[32];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return bytes.append(reinterpret_cast<char*>(digest), sizeof(digest));
}

}  // namespace recycling::drafter

#endif  // RECYCLING_TESTS_DRAFTER_STORE_FORGED_SNAPSHOT_H_
