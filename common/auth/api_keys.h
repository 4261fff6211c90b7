// Keys by which callers say who they are, as a file keeps them: by hash alone.
//
//   file   = { line "\n" }
//   line   = [ tenant hash role { limit } ] [ "#" comment ]    ; words are separated by spaces
//   tenant = 1 to 64 of [A-Za-z0-9._-]
//   hash   = "sha256:" 64 hex digits
//   role   = "inference" | "admin"
//   limit  = "concurrency=" whole number | "rate=" number | "burst=" number    ; see TenantLimits
//
//   acme sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 inference rate=5
//
//  1. Keys are random and long, so that one unsalted SHA-256 keeps them.
//  2. How long a look-up takes says nothing of the keys that are known.
//  3. A tenant may have several keys, for example while one replaces another; all lines of a tenant
//     and role give the same limits.
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

enum class KeyRole { kInference, kAdmin };

struct ApiKey {
  std::string tenant;
  KeyRole role = KeyRole::kInference;
  bool limited = false;  // the line gives limits
  TenantLimits limits;   // if limited
};

// Constant: threads any.
class ApiKeys {
 public:
  static constexpr std::size_t kMostKeys = 4096;
  static constexpr std::size_t kLongestKey = 512;  // bytes

  // InvalidArgument naming the line that is wrong, and for a file without keys or with more than
  // kMostKeys.
  static absl::StatusOr<ApiKeys> Parse(std::string_view text);

  // Null if `key` is not known. Lives as long as this.
  const ApiKey* Find(std::string_view key) const;

  std::size_t size() const { return entries_.size(); }

 private:
  using Hash = std::array<std::uint8_t, 32>;
  struct Entry {
    Hash hash = {};
    ApiKey key;
  };

  static Hash HashOf(std::string_view key);
  static absl::StatusOr<Entry> ParseLine(const std::vector<std::string>& words);

  std::vector<Entry> entries_;
};

// The limits of a line, "concurrency=4 rate=5 burst=20", by themselves; none for an empty text.
// InvalidArgument naming the word that is wrong.
absl::StatusOr<TenantLimits> ParseTenantLimits(std::string_view text);

// A new key: "rk_" and 43 characters that carry 256 random bits. Internal if the system gives none.
absl::StatusOr<std::string> NewApiKey();

// The line of a file for `key`, without limits. InvalidArgument if `tenant` is none.
absl::StatusOr<std::string> ApiKeyLine(const std::string& tenant, KeyRole role,
                                       std::string_view key);

}  // namespace recycling

#endif  // RECYCLING_COMMON_AUTH_API_KEYS_H_
