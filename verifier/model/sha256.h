#ifndef RECYCLING_VERIFIER_MODEL_SHA256_H_
#define RECYCLING_VERIFIER_MODEL_SHA256_H_

#include <cstddef>
#include <span>
#include <string>

namespace recycling::verifier {

// SHA-256 of `bytes` as 64 lower-case hex digits.
std::string Sha256Hex(std::span<const std::byte> bytes);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_SHA256_H_
