#include "verifier/model/sha256.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"

namespace recycling::verifier {

std::string Sha256Hex(std::span<const std::byte> bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return absl::BytesToHexString(digest);
}

}  // namespace recycling::verifier
