// Who makes a call, by the key in its `authorization: Bearer KEY` metadata.
#ifndef RECYCLING_COMMON_RPC_CALLER_CHECK_H_
#define RECYCLING_COMMON_RPC_CALLER_CHECK_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/auth/api_key_file.h"
#include "common/auth/api_keys.h"

namespace recycling {

// What a call takes. The roles are apart: neither may do what is the other's.
enum class Access {
  kAny,        // a key that is known
  kInference,  // of role inference
  kAdmin       // of role admin
};

struct Caller {
  std::string tenant = "default";
  bool limited = false;  // `limits` are its own; else the service's for those that say nothing
  TenantLimits limits;
};

// What every caller may do where there are no keys.
enum class WithoutKeys {
  kEverything,
  kAllButAdmin  // Access::kAdmin is PermissionDenied
};

// Threads: any.
class CallerCheck {
 public:
  // Without keys: every caller is tenant "default".
  explicit CallerCheck(WithoutKeys may = WithoutKeys::kEverything) : without_keys_(may) {}

  // Callers with `process_key`, a secret of this process, may do what inference keys may, as
  // tenant "default". Empty: none.
  explicit CallerCheck(std::unique_ptr<ApiKeyFile> keys, std::string process_key = "");

  bool has_keys() const { return keys_ != nullptr; }

  // Unauthenticated without a key that is known; PermissionDenied if its role is another, or if
  // nobody may.
  absl::StatusOr<Caller> Check(const grpc::ServerContextBase& context, Access access) const;

 private:
  const std::unique_ptr<ApiKeyFile> keys_;  // null: none
  const std::string process_key_;
  const WithoutKeys without_keys_ = WithoutKeys::kEverything;  // without keys_
};

// OK if `callers` is null or lets the caller do what takes `access`.
absl::Status CheckCaller(const std::shared_ptr<const CallerCheck>& callers,
                         const grpc::ServerContextBase& context, Access access);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CALLER_CHECK_H_
