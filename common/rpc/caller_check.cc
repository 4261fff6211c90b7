#include "common/rpc/caller_check.h"

#include <grpc/grpc_security_constants.h>
#include <openssl/crypto.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

constexpr absl::string_view kScheme = "bearer ";

// The key in `authorization`, which must have exactly one value. Messages never show
// the key.
absl::StatusOr<std::string> KeyOf(const std::vector<std::string>& authorization) {
  if (authorization.empty()) {
    return absl::UnauthenticatedError("authorization: got none, expected \"Bearer KEY\"");
  }
  if (authorization.size() > 1) {
    return absl::UnauthenticatedError("authorization: got several, expected one");
  }
  const absl::string_view value = authorization[0];
  if (!absl::StartsWithIgnoreCase(value, kScheme)) {
    return absl::UnauthenticatedError("authorization: got another scheme, expected \"Bearer KEY\"");
  }
  return std::string(value.substr(kScheme.size()));
}

// False for an empty secret. The time depends on the length of `secret` alone.
bool IsSecret(const std::string& key, const std::string& secret) {
  return !secret.empty() && key.size() == secret.size() &&
         CRYPTO_memcmp(key.data(), secret.data(), key.size()) == 0;
}

// The subject alternative names of the client's certificate, if TLS has verified it. Else empty.
std::vector<std::string> VerifiedNames(const grpc::ServerContextBase& context) {
  std::vector<std::string> names;
  const auto auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return names;
  for (const grpc::string_ref& name : auth->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME)) {
    names.emplace_back(name.data(), name.size());
  }
  return names;
}

// The role that a caller must have. Nothing if any role will do.
std::optional<KeyRole> RoleFor(Access access) {
  switch (access) {
    case Access::kAny:
      return std::nullopt;
    case Access::kInference:
      return KeyRole::kInference;
    case Access::kPeer:
      return KeyRole::kPeer;
    case Access::kAdmin:
      return KeyRole::kAdmin;
  }
  return std::nullopt;
}

}  // namespace

CallerCheck::CallerCheck(std::unique_ptr<ApiKeyFile> keys, std::string process_key)
    : keys_(std::move(keys)), process_key_(std::move(process_key)) {}

absl::StatusOr<Caller> CallerCheck::Check(const grpc::ServerContextBase& context,
                                          Access access) const {
  CallerCredentials credentials;
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  for (auto value = first; value != last; ++value) {
    credentials.authorization.emplace_back(value->second.data(), value->second.size());
  }
  if (keys_ != nullptr && first == last) credentials.certificate_names = VerifiedNames(context);
  return Check(credentials, access);
}

absl::StatusOr<Caller> CallerCheck::Check(const CallerCredentials& credentials,
                                          Access access) const {
  if (keys_ == nullptr) {
    if (access == Access::kAdmin && without_keys_ == WithoutKeys::kAllButAdmin) {
      return absl::PermissionDeniedError(
          "administration: refused to every caller, because this service has no keys and listens "
          "on "
          "an address beyond its machine; start it with --api_keys, or with --allow_open_admin to "
          "let every caller administrate");
    }
    return Caller();
  }
  const std::optional<KeyRole> role = RoleFor(access);
  const std::shared_ptr<const ApiKeys> keys = keys_->Get();
  const ApiKey* known = nullptr;
  if (credentials.authorization.empty()) {
    known = keys->FindCertificate(credentials.certificate_names);
  }
  if (known == nullptr) {
    ASSIGN_OR_RETURN(const std::string key, KeyOf(credentials.authorization));
    if (role.value_or(KeyRole::kPeer) == KeyRole::kPeer && IsSecret(key, process_key_)) {
      return Caller();
    }
    known = keys->Find(key);
  }
  if (known == nullptr) return absl::UnauthenticatedError("authorization: the key is not known");
  if (role.has_value() && known->role != *role) {
    return absl::PermissionDeniedError(absl::StrCat("the call needs a caller of role ",
                                                    KeyRoleName(*role), ", got one of role ",
                                                    KeyRoleName(known->role)));
  }
  return Caller{.tenant = known->tenant, .limited = known->limited, .limits = known->limits};
}

absl::Status CheckCaller(const std::shared_ptr<const CallerCheck>& callers,
                         const grpc::ServerContextBase& context, Access access) {
  return callers == nullptr ? absl::OkStatus() : callers->Check(context, access).status();
}

}  // namespace recycling
