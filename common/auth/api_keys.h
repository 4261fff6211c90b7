// The file of --api_keys: who may call a service, and what each caller may do. The file holds
// hashes of keys, and never a key.
//
//   file   = { line "\n" }
//   line   = [ tenant caller role { limit } ] [ "#" comment ]    ; words are separated by spaces
//   tenant = 1 to 64 of [A-Za-z0-9._-]
//   caller = "sha256:" 64 hex digits    ; the hash of a key
//          | "name:" 1 to 253 of [A-Za-z0-9.:/_-]    ; a name in a client's TLS certificate
//   role   = "inference" | "peer" | "admin"
//   limit  = "concurrency=" whole number | "rate=" number | "burst=" number    ; see TenantLimits
//
//   acme sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 inference rate=5
//   gateways name:gateway peer
//
//  1. Keys are long and random. So one SHA-256 without a salt protects them.
//  2. The time of a look-up does not depend on which keys are known.
//  3. A tenant may have several lines, for example while a new key replaces an old one. All
//     lines of a tenant and role must give the same limits.
#ifndef RECYCLING_COMMON_AUTH_API_KEYS_H_
#define RECYCLING_COMMON_AUTH_API_KEYS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/auth/tenant_limits.h"

namespace recycling {

// The calls that a caller may make. A caller has one role, and no role includes another.
enum class KeyRole {
  kInference,  // generate text at a gateway, as the tenant of the line
  kPeer,       // call drafters and verifiers as a gateway does, on behalf of any tenant
  kAdmin       // statistics, draining, matrices
};

// "inference", "peer" or "admin".
const char* KeyRoleName(KeyRole role);

struct ApiKey {
  std::string tenant;
  KeyRole role = KeyRole::kInference;
  bool limited = false;  // whether the line gives limits
  TenantLimits limits;   // meaningful only if `limited`
};

// The content of a key file. Immutable. Threads: any.
class ApiKeys {
 public:
  static constexpr std::size_t kMostKeys = 4096;   // lines with a caller
  static constexpr std::size_t kLongestKey = 512;  // bytes

  // InvalidArgument that names the first wrong line. InvalidArgument too if the text has no line
  // with a caller, or more than kMostKeys such lines. The message never shows a word that might be
  // a key.
  static absl::StatusOr<ApiKeys> Parse(std::string_view text);

  // The line that has the hash of `key`. Null if there is none. The result is valid as long as this
  // object exists.
  const ApiKey* Find(std::string_view key) const;

  // The first line of the file that has one of `names`. Null if there is none. `names` are the
  // names in a certificate that the TLS layer has verified. The result is valid as long as this
  // object exists.
  const ApiKey* FindCertificate(const std::vector<std::string>& names) const;

  std::size_t size() const { return keys_.size() + certificates_.size(); }

 private:
  using Hash = std::array<std::uint8_t, 32>;
  struct Line;
  struct HashedKey {
    Hash hash = {};
    ApiKey key;
  };
  struct Certificate {
    std::string name;
    ApiKey key;
  };

  static Hash HashOf(std::string_view key);
  static absl::StatusOr<Line> ParseLine(const std::vector<std::string>& words);
  absl::Status Add(Line line);

  std::vector<HashedKey> keys_;
  std::vector<Certificate> certificates_;  // in the order of the file
};

// Reads limits as they stand in a line: "concurrency=4 rate=5 burst=20". An empty text gives no
// limits. InvalidArgument naming the first wrong word.
absl::StatusOr<TenantLimits> ParseTenantLimits(std::string_view text);

// A new key: "rk_" and 43 characters that carry 256 random bits. Internal if the system has no
// random bytes.
absl::StatusOr<std::string> NewApiKey();

// The line for `key` in a key file, without limits. InvalidArgument if `tenant` is not a valid
// name.
absl::StatusOr<std::string> ApiKeyLine(const std::string& tenant, KeyRole role,
                                       std::string_view key);

}  // namespace recycling

#endif  // RECYCLING_COMMON_AUTH_API_KEYS_H_
