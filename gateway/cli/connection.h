// Makes the channels of the commands as the TLS flags say.
#ifndef RECYCLING_GATEWAY_CLI_CONNECTION_H_
#define RECYCLING_GATEWAY_CLI_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace recycling::cli {

enum class Carries {
  kAnything,    // prompts, texts, keys: in plaintext beyond this machine only if a flag allows it
  kHealthOnly,  // may go anywhere in plaintext
};

// Returns a channel to `address`, "host:port" or "unix:/path", which `flag` gave. The channel takes
// messages of any size. InvalidArgument that names `flag` if the address has another form, or if it
// is beyond this machine and there is neither TLS nor --allow_plaintext. InvalidArgument that names
// a TLS flag or file if that is wrong.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::string& flag,
                                                       const std::string& address,
                                                       Carries carries = Carries::kAnything);

// For a call that failed on a channel that Connect made: the same error, or one that says that only
// one of the two sides speaks TLS, and what to do. Takes up to a second more where the server
// cannot be reached.
absl::Status Explain(const absl::Status& status, const std::string& address);

// Asks the gateway at `address` whether it is ready. If it is not, writes to stderr that a request
// sent now waits there for a verifier; the gateway bounds that wait. Waits for the answer for at
// most `timeout` (0: a few seconds). Writes nothing if no answer comes: the request will fail with
// the reason.
void TellIfItWaits(const std::string& program, const std::string& address,
                   const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_CONNECTION_H_
