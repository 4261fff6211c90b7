// Who makes a call: the key in its `authorization: Bearer KEY` metadata says it or, without that
// metadata, the client's TLS certificate.
#ifndef RECYCLING_COMMON_RPC_CALLER_CHECK_H_
#define RECYCLING_COMMON_RPC_CALLER_CHECK_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/auth/api_key_file.h"
#include "common/auth/api_keys.h"

namespace recycling {

// The role that a call needs (see KeyRole). No role includes another one.
enum class Access {
  kAny,        // any role
  kInference,  // only role inference
  kPeer,       // only role peer: the caller is believed when it names a tenant
  kAdmin       // only role admin
};

struct Caller {
  std::string tenant = "default";  // the caller's own
  bool limited = false;            // whether the caller's line in the key file gives limits
  TenantLimits limits;             // meaningful only if `limited`
};

// What every caller may do at a service that has no key file.
enum class WithoutKeys {
  kEverything,
  kAllButAdmin  // calls that need Access::kAdmin get PermissionDenied
};

// Threads: any.
class CallerCheck {
 public:
  // A service without a key file: every caller is the tenant "default", and is believed as a peer
  // when it names another tenant.
  explicit CallerCheck(WithoutKeys may = WithoutKeys::kEverything) : without_keys_(may) {}

  // `process_key` is a secret of this process: who knows it has role peer. Empty: there is none.
  explicit CallerCheck(std::unique_ptr<ApiKeyFile> keys, std::string process_key = "");

  bool has_keys() const { return keys_ != nullptr; }

  // The caller. Unauthenticated if the call has neither a known key nor, without `authorization`
  // metadata, a verified certificate with a known name. PermissionDenied if the caller's role is
  // not the one that `access` needs, or if nobody may make the call.
  absl::StatusOr<Caller> Check(const grpc::ServerContextBase& context, Access access) const;

 private:
  const std::unique_ptr<ApiKeyFile> keys_;  // null: no key file
  const std::string process_key_;
  const WithoutKeys without_keys_ = WithoutKeys::kEverything;  // used only without keys_
};

// OK if `callers` is null or its Check lets the caller in.
absl::Status CheckCaller(const std::shared_ptr<const CallerCheck>& callers,
                         const grpc::ServerContextBase& context, Access access);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CALLER_CHECK_H_
