#include "common/auth/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

constexpr absl::string_view kHashPrefix = "sha256:";
constexpr std::size_t kLongestTenant = 64;
constexpr double kMostPerSecond = 1e6;

absl::Status CheckTenant(const std::string& tenant) {
  const bool good = std::all_of(tenant.begin(), tenant.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  if (good && !tenant.empty() && tenant.size() <= kLongestTenant) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tenant: got \"", Escaped(tenant.substr(0, 80)),
                                                 "\", expected 1 to ", kLongestTenant,
                                                 " of [A-Za-z0-9._-]"));
}

absl::StatusOr<KeyRole> ParseRole(const std::string& role) {
  if (role == "inference") return KeyRole::kInference;
  if (role == "admin") return KeyRole::kAdmin;
  return absl::InvalidArgumentError(
      absl::StrCat("role: got \"", Escaped(role.substr(0, 80)), "\", expected inference or admin"));
}

absl::Status ParseLimit(const std::string& word, TenantLimits* limits) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
  const auto& [name, value] = parts;
  double number = 0;
  if (name == "concurrency" && absl::SimpleAtoi(value, &limits->concurrency) &&
      limits->concurrency > 0) {
    return absl::OkStatus();
  }
  if ((name == "rate" || name == "burst") && absl::SimpleAtod(value, &number) &&
      std::isfinite(number) && number > 0 && number <= kMostPerSecond) {
    (name == "rate" ? limits->rate : limits->burst) = number;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("limit: got \"", Escaped(word.substr(0, 80)),
                   "\", expected concurrency=, rate= or burst= and a number above 0"));
}

}  // namespace

ApiKeys::Hash ApiKeys::HashOf(std::string_view key) {
  Hash hash;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

absl::StatusOr<ApiKeys::Entry> ApiKeys::ParseLine(const std::vector<std::string>& words) {
  if (words.size() < 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("got ", words.size(), " words, expected tenant, hash and role"));
  }
  Entry entry;
  entry.key.tenant = words[0];
  RETURN_IF_ERROR(CheckTenant(words[0]));
  const std::string hex = words[1].substr(std::min(words[1].size(), kHashPrefix.size()));
  const bool is_hex = hex.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (words[1].rfind(std::string(kHashPrefix), 0) != 0 || hex.size() != 64 || !is_hex) {
    return absl::InvalidArgumentError("hash: expected sha256: and 64 hex digits");
  }
  const std::string bytes = absl::HexStringToBytes(hex);
  std::copy(bytes.begin(), bytes.end(), entry.hash.begin());
  ASSIGN_OR_RETURN(entry.key.role, ParseRole(words[2]));
  for (std::size_t i = 3; i < words.size(); ++i) {
    RETURN_IF_ERROR(ParseLimit(words[i], &entry.key.limits));
    entry.key.limited = true;
  }
  return entry;
}

absl::StatusOr<ApiKeys> ApiKeys::Parse(std::string_view text) {
  ApiKeys keys;
  std::set<Hash> hashes;
  std::map<std::pair<std::string, KeyRole>, ApiKey> first;  // of a tenant and role
  const auto add = [&](Entry entry) {
    const ApiKey& key = entry.key;
    const ApiKey& other = first.try_emplace({key.tenant, key.role}, key).first->second;
    if (!hashes.insert(entry.hash).second) return absl::InvalidArgumentError("hash: got it twice");
    if (other.limited != key.limited || !(other.limits == key.limits)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "limit: got others than in the first line of tenant ", key.tenant, " and role"));
    }
    if (keys.size() == kMostKeys) {
      return absl::InvalidArgumentError(
          absl::StrCat("got more keys, expected at most ", kMostKeys));
    }
    keys.entries_.push_back(std::move(entry));
    return absl::OkStatus();
  };
  int number = 0;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    const std::vector<std::string> words =
        absl::StrSplit(line.substr(0, line.find('#')), absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    auto entry = ParseLine(words);
    const absl::Status added = entry.ok() ? add(*std::move(entry)) : entry.status();
    if (!added.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", added.message()));
    }
  }
  if (keys.entries_.empty()) return absl::InvalidArgumentError("got no key, expected at least one");
  return keys;
}

// Looks at every entry, whatever is found.
const ApiKey* ApiKeys::Find(std::string_view key) const {
  if (key.empty() || key.size() > kLongestKey) return nullptr;
  const Hash hash = HashOf(key);
  const ApiKey* found = nullptr;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(hash.data(), entry.hash.data(), hash.size()) == 0) found = &entry.key;
  }
  return found;
}

absl::StatusOr<TenantLimits> ParseTenantLimits(std::string_view text) {
  TenantLimits limits;
  for (const auto word :
       absl::StrSplit(absl::string_view(text.data(), text.size()), ' ', absl::SkipEmpty())) {
    RETURN_IF_ERROR(ParseLimit(std::string(word), &limits));
  }
  return limits;
}

absl::StatusOr<std::string> NewApiKey() {
  std::array<unsigned char, 32> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return absl::InternalError("the system gives no random bytes");
  }
  return absl::StrCat("rk_", absl::WebSafeBase64Escape(absl::string_view(
                                 reinterpret_cast<const char*>(bytes.data()), bytes.size())));
}

absl::StatusOr<std::string> ApiKeyLine(const std::string& tenant, KeyRole role,
                                       std::string_view key) {
  RETURN_IF_ERROR(CheckTenant(tenant));
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return absl::StrCat(tenant, " ", kHashPrefix,
                      absl::BytesToHexString(absl::string_view(
                          reinterpret_cast<const char*>(hash.data()), hash.size())),
                      " ", role == KeyRole::kAdmin ? "admin" : "inference");
}

}  // namespace recycling
