// Flags that several commands share, and the requests that they describe.
#ifndef RECYCLING_GATEWAY_CLI_FLAGS_H_
#define RECYCLING_GATEWAY_CLI_FLAGS_H_

#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/program/flag_group.h"
#include "common/program/tls_flags.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// A text flag that knows whether it was given, since the text may be empty.
struct OptionalText {
  bool given = false;
  std::string text;
};
bool AbslParseFlag(absl::string_view text, OptionalText* flag, std::string* error);
std::string AbslUnparseFlag(const OptionalText& flag);

// Returns `own`, followed by the flags that every command that talks to a server has.
std::vector<FlagGroup> WithConnectionFlags(std::vector<FlagGroup> own);
// The flags that RequestFromFlags reads.
FlagGroup RequestFlags();

// Returns InvalidArgument with `what` and the position of the byte if `text` is not UTF-8, because
// no message can hold such a text.
absl::Status CheckUtf8(const std::string& what, const std::string& text);

// Returns the request of --request, with the fields that the other flags of RequestFlags set. Other
// fields stay absent. Returns InvalidArgument with the name of the wrong flag. Does not check
// ranges; the gateway does.
absl::StatusOr<gateway::v1::GenerateRequest> RequestFromFlags();

// Names of our services, as grpc.health.v1 knows them.
inline constexpr char kGatewayService[] = "recycling.gateway.v1.GatewayService";
inline constexpr char kVerifierService[] = "recycling.verifier.v1.VerifierService";
inline constexpr char kDrafterService[] = "recycling.drafter.v1.DrafterService";

}  // namespace recycling::cli

ABSL_DECLARE_FLAG(std::string, gateway);
ABSL_DECLARE_FLAG(absl::Duration, timeout);
ABSL_DECLARE_FLAG(bool, chat);
ABSL_DECLARE_FLAG(bool, json);
ABSL_DECLARE_FLAG(std::string, tls_name);
ABSL_DECLARE_FLAG(std::string, api_key_file);
ABSL_DECLARE_FLAG(std::string, tenant);

#endif  // RECYCLING_GATEWAY_CLI_FLAGS_H_
