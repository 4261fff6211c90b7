// Finds out who makes a call: from the key in its `authorization: Bearer KEY` metadata or, without
// that metadata, from the client's TLS certificate.
#ifndef RECYCLING_COMMON_RPC_CALLER_CHECK_H_
#define RECYCLING_COMMON_RPC_CALLER_CHECK_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/auth/api_key_file.h"
#include "common/auth/api_keys.h"

namespace recycling {

// The role that a call needs (see KeyRole). No role includes another one.
enum class Access {
  kAny,        // any role
  kInference,  // only role inference
  kPeer,       // only role peer, whose calls name the tenant
  kAdmin       // only role admin
};

struct Caller {
  std::string tenant = "default";  // the caller's own tenant
  bool limited = false;            // whether the caller's line in the key file gives limits
  TenantLimits limits;             // meaningful only if `limited`
};

// What a call shows of its caller.
struct CallerCredentials {
  std::vector<std::string> authorization;      // values of this header or metadata
  std::vector<std::string> certificate_names;  // of a certificate that TLS has verified
};

// The calls that a service without a key file allows to every caller.
enum class WithoutKeys {
  kEverything,
  kAllButAdmin  // calls that need Access::kAdmin get PermissionDenied
};

// Threads: any.
class CallerCheck {
 public:
  // For a service without a key file. Every caller is the tenant "default". If a call names
  // another tenant, the service believes it, as it believes a peer.
  explicit CallerCheck(WithoutKeys may = WithoutKeys::kEverything) : without_keys_(may) {}

  // `process_key` is a secret of this process. A caller that sends it has role peer. Empty: there
  // is no such secret.
  explicit CallerCheck(std::unique_ptr<ApiKeyFile> keys, std::string process_key = "");

  // Returns the caller. Unauthenticated if the call has no known key and no verified certificate
  // with a known name. A certificate counts only if the call has no `authorization` metadata.
  // PermissionDenied if the caller's role is not the one that `access` needs, or if the service
  // allows the call to nobody.
  absl::StatusOr<Caller> Check(const grpc::ServerContextBase& context, Access access) const;
  // The same for a call that does not come over gRPC.
  absl::StatusOr<Caller> Check(const CallerCredentials& credentials, Access access) const;

  // Whether there is a key file. If not, every caller is known.
  bool has_keys() const { return keys_ != nullptr; }

 private:
  const std::unique_ptr<ApiKeyFile> keys_;  // null: no key file
  const std::string process_key_;
  const WithoutKeys without_keys_ = WithoutKeys::kEverything;  // used only without keys_
};

// OK if `callers` is null or if its Check returns a caller. Else the error of Check.
absl::Status CheckCaller(const std::shared_ptr<const CallerCheck>& callers,
                         const grpc::ServerContextBase& context, Access access);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CALLER_CHECK_H_
