#include "common/rpc/caller_check.h"

#include <openssl/crypto.h>

#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

constexpr absl::string_view kScheme = "bearer ";

// The key in the one value of `authorization`. Messages never show it.
absl::StatusOr<std::string> KeyOf(const grpc::ServerContextBase& context) {
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  if (first == last) {
    return absl::UnauthenticatedError("authorization: got none, expected \"Bearer KEY\"");
  }
  if (std::next(first) != last) {
    return absl::UnauthenticatedError("authorization: got several, expected one");
  }
  const absl::string_view value(first->second.data(), first->second.size());
  if (!absl::StartsWithIgnoreCase(value, kScheme)) {
    return absl::UnauthenticatedError("authorization: got another scheme, expected \"Bearer KEY\"");
  }
  return std::string(value.substr(kScheme.size()));
}

// In a time that says nothing of `secret` but its length. Never for an empty one.
bool IsSecret(const std::string& key, const std::string& secret) {
  return !secret.empty() && key.size() == secret.size() &&
         CRYPTO_memcmp(key.data(), secret.data(), key.size()) == 0;
}

}  // namespace

CallerCheck::CallerCheck(std::unique_ptr<ApiKeyFile> keys, std::string process_key)
    : keys_(std::move(keys)), process_key_(std::move(process_key)) {}

absl::StatusOr<Caller> CallerCheck::Check(const grpc::ServerContextBase& context,
                                          Access access) const {
  if (keys_ == nullptr) {
    if (access == Access::kAdmin && without_keys_ == WithoutKeys::kAllButAdmin) {
      return absl::PermissionDeniedError(
          "administration: refused to every caller, since this service is reached from beyond its "
          "machine and has no keys; it takes --api_keys, or --allow_open_admin to let every caller "
          "administrate");
    }
    return Caller();
  }
  ASSIGN_OR_RETURN(const std::string key, KeyOf(context));
  if (access != Access::kAdmin && IsSecret(key, process_key_)) return Caller();
  const std::shared_ptr<const ApiKeys> keys = keys_->Get();
  const ApiKey* known = keys->Find(key);
  if (known == nullptr) return absl::UnauthenticatedError("authorization: the key is not known");
  if (access == Access::kAdmin && known->role != KeyRole::kAdmin) {
    return absl::PermissionDeniedError(
        "the call takes a key for administration, got one for inference");
  }
  if (access == Access::kInference && known->role != KeyRole::kInference) {
    return absl::PermissionDeniedError(
        "the call takes a key for inference, got one for administration");
  }
  return Caller{.tenant = known->tenant, .limited = known->limited, .limits = known->limits};
}

absl::Status CheckCaller(const std::shared_ptr<const CallerCheck>& callers,
                         const grpc::ServerContextBase& context, Access access) {
  return callers == nullptr ? absl::OkStatus() : callers->Check(context, access).status();
}

}  // namespace recycling
