// Flags that several commands share, and the requests they describe.
#ifndef RECYCLING_GATEWAY_CLI_FLAGS_H_
#define RECYCLING_GATEWAY_CLI_FLAGS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// A text that may be empty and yet given.
struct OptionalText {
  bool given = false;
  std::string text;
};
bool AbslParseFlag(absl::string_view text, OptionalText* flag, std::string* error);
std::string AbslUnparseFlag(const OptionalText& flag);

// InvalidArgument naming `what` and the byte if `text` is not UTF-8, which no message may carry.
absl::Status CheckUtf8(const std::string& what, const std::string& text);

// "1,2,3" to ids. InvalidArgument naming `flag` and what is not an id.
absl::StatusOr<std::vector<std::uint32_t>> ParseIds(const std::string& flag,
                                                    const std::vector<std::string>& texts);

// "request", "tenant" or "shared". InvalidArgument naming `flag` for anything else.
absl::StatusOr<common::v1::MatrixScope> ParseMatrixScope(const std::string& flag,
                                                         const std::string& text);

// Request with sampling and speculation options as the flags of sampling_flags.cc say; what is not
// given is left absent. InvalidArgument naming the flag. Ranges are the gateway's to check.
absl::StatusOr<gateway::v1::GenerateRequest> RequestFromFlags();

// Files whose flags a command takes; see ProgramInfo.
inline constexpr char kClientFlags[] = "gateway/cli/client_flags.cc";
inline constexpr char kTenantFlag[] = "gateway/cli/tenant_flag.cc";
inline constexpr char kSamplingFlags[] = "gateway/cli/sampling_flags.cc";

}  // namespace recycling::cli

ABSL_DECLARE_FLAG(std::string, gateway);
ABSL_DECLARE_FLAG(absl::Duration, timeout);
ABSL_DECLARE_FLAG(bool, json);
ABSL_DECLARE_FLAG(std::string, tls_ca);
ABSL_DECLARE_FLAG(std::string, tls_cert);
ABSL_DECLARE_FLAG(std::string, tls_key);
ABSL_DECLARE_FLAG(std::string, tls_name);
ABSL_DECLARE_FLAG(bool, allow_plaintext);
ABSL_DECLARE_FLAG(std::string, api_key_file);
ABSL_DECLARE_FLAG(std::string, tenant);

#endif  // RECYCLING_GATEWAY_CLI_FLAGS_H_
