#include "common/auth/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

constexpr absl::string_view kHashPrefix = "sha256:";
constexpr absl::string_view kNamePrefix = "name:";
constexpr std::size_t kLongestName = 253;  // of a DNS name
constexpr std::size_t kLongestTenant = 64;
constexpr double kMostPerSecond = 1e6;

// Whether `text` has 1 to `longest` characters, and each is a letter, a digit or one of `others`.
bool IsName(absl::string_view text, std::size_t longest, absl::string_view others) {
  return !text.empty() && text.size() <= longest &&
         std::all_of(text.begin(), text.end(), [others](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  absl::StrContains(others, c);
         });
}

absl::Status CheckTenant(const std::string& tenant) {
  if (IsName(tenant, kLongestTenant, "._-")) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tenant: got \"", Escaped(tenant.substr(0, 80)),
                                                 "\", expected 1 to ", kLongestTenant,
                                                 " of [A-Za-z0-9._-]"));
}

absl::StatusOr<KeyRole> ParseKeyRole(std::string_view name) {
  for (const KeyRole role : {KeyRole::kInference, KeyRole::kPeer, KeyRole::kAdmin}) {
    if (name == KeyRoleName(role)) return role;
  }
  return absl::InvalidArgumentError(absl::StrCat("role: got \"", Escaped(name.substr(0, 80)),
                                                 "\", expected inference, peer or admin"));
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

const char* KeyRoleName(KeyRole role) {
  switch (role) {
    case KeyRole::kInference:
      return "inference";
    case KeyRole::kPeer:
      return "peer";
    case KeyRole::kAdmin:
      return "admin";
  }
  return "";
}

struct ApiKeys::Line {
  std::optional<Hash> hash;  // absent: the line names a certificate
  std::string certificate;
  ApiKey key;
};

absl::StatusOr<ApiKeys::Line> ApiKeys::ParseLine(const std::vector<std::string>& words) {
  if (words.size() < 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("got ", words.size(), " words, expected tenant, caller and role"));
  }
  Line line;
  line.key.tenant = words[0];
  RETURN_IF_ERROR(CheckTenant(words[0]));
  absl::string_view caller = words[1];
  if (absl::ConsumePrefix(&caller, kNamePrefix)) {
    if (!IsName(caller, kLongestName, ".:/_-")) {
      return absl::InvalidArgumentError(
          absl::StrCat("caller: expected name: and 1 to ", kLongestName, " of [A-Za-z0-9.:/_-]"));
    }
    line.certificate = std::string(caller);
  } else {
    const bool is_hash = absl::ConsumePrefix(&caller, kHashPrefix);
    const bool is_hex =
        caller.find_first_not_of("0123456789abcdefABCDEF") == absl::string_view::npos;
    if (!is_hash || caller.size() != 64 || !is_hex) {
      return absl::InvalidArgumentError(
          "caller: expected sha256: and 64 hex digits, or name: and a certificate's name");
    }
    const std::string bytes = absl::HexStringToBytes(caller);
    std::copy(bytes.begin(), bytes.end(), line.hash.emplace().begin());
  }
  ASSIGN_OR_RETURN(line.key.role, ParseKeyRole(words[2]));
  for (std::size_t i = 3; i < words.size(); ++i) {
    RETURN_IF_ERROR(ParseLimit(words[i], &line.key.limits));
    line.key.limited = true;
  }
  return line;
}

absl::Status ApiKeys::Add(Line line) {
  if (size() == kMostKeys) {
    return absl::InvalidArgumentError(absl::StrCat("got more keys, expected at most ", kMostKeys));
  }
  if (line.hash.has_value()) {
    keys_.push_back({*line.hash, std::move(line.key)});
  } else {
    certificates_.push_back({std::move(line.certificate), std::move(line.key)});
  }
  return absl::OkStatus();
}

absl::StatusOr<ApiKeys> ApiKeys::Parse(std::string_view text) {
  ApiKeys keys;
  std::set<Hash> hashes;
  std::set<std::string> names;
  std::map<std::pair<std::string, KeyRole>, ApiKey> first;  // of a tenant and role
  const auto add = [&](Line line) {
    const ApiKey& key = line.key;
    const ApiKey& other = first.try_emplace({key.tenant, key.role}, key).first->second;
    const bool is_new = line.hash.has_value() ? hashes.insert(*line.hash).second
                                              : names.insert(line.certificate).second;
    if (!is_new) return absl::InvalidArgumentError("caller: got it twice");
    if (other.limited != key.limited || !(other.limits == key.limits)) {
      return absl::InvalidArgumentError(
          absl::StrCat("limit: got other limits than in the first line of tenant ", key.tenant,
                       " and role ", KeyRoleName(key.role)));
    }
    return keys.Add(std::move(line));
  };
  int number = 0;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    const std::vector<std::string> words =
        absl::StrSplit(line.substr(0, line.find('#')), absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    auto parsed = ParseLine(words);
    const absl::Status added = parsed.ok() ? add(*std::move(parsed)) : parsed.status();
    if (!added.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", added.message()));
    }
  }
  if (keys.size() == 0) return absl::InvalidArgumentError("got no key, expected at least one");
  return keys;
}

const ApiKey* ApiKeys::Find(std::string_view key) const {
  if (key.empty() || key.size() > kLongestKey) return nullptr;
  const Hash hash = HashOf(key);
  const ApiKey* found = nullptr;
  // No early exit: the time must not depend on the position of the key in the list.
  for (const HashedKey& entry : keys_) {
    if (CRYPTO_memcmp(hash.data(), entry.hash.data(), hash.size()) == 0) found = &entry.key;
  }
  return found;
}

const ApiKey* ApiKeys::FindCertificate(const std::vector<std::string>& names) const {
  for (const Certificate& certificate : certificates_) {
    if (std::find(names.begin(), names.end(), certificate.name) != names.end()) {
      return &certificate.key;
    }
  }
  return nullptr;
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
    return absl::InternalError("the system has no random bytes");
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
                      " ", KeyRoleName(role));
}

}  // namespace recycling
