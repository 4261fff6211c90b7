// Channels of the commands, as the TLS flags say.
#ifndef RECYCLING_GATEWAY_CLI_CONNECTION_H_
#define RECYCLING_GATEWAY_CLI_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace recycling::cli {

enum class Carries {
  kAnything,    // prompts, texts, keys: not in plaintext beyond this machine without being told
  kHealthOnly,  // may go anywhere in plaintext
};

// Channel to the address that `flag` gave, "host:port" or "unix:/path". Messages of any size are
// taken. InvalidArgument naming `flag` if the address is no such, or is beyond this machine without
// TLS and without --allow_plaintext; or naming a TLS flag or file that is wrong.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::string& flag,
                                                       const std::string& address,
                                                       Carries carries = Carries::kAnything);

// For a call that failed on a channel that Connect made: the same error, or one that says that only
// one of the two sides speaks TLS, and what to do. Takes up to a second more where the server
// cannot be reached.
absl::Status Explain(const absl::Status& status, const std::string& address);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_CONNECTION_H_
