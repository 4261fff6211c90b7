#ifndef RECYCLING_VERIFIER_MODEL_SHA256_H_
#define RECYCLING_VERIFIER_MODEL_SHA256_H_

#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace recycling::verifier {

// SHA-256 of bytes that come in pieces. Call order: Add* Hex.
class Sha256 {
 public:
  Sha256();

  void Add(std::span<const std::byte> bytes);
  // 64 lower-case hex digits.
  std::string Hex();

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// SHA-256 of `bytes` as 64 lower-case hex digits.
std::string Sha256Hex(std::span<const std::byte> bytes);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_SHA256_H_
