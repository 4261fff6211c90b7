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
  kAnything,    // prompts, texts, keys: plaintext to another machine only if a flag allows it
  kHealthOnly,  // may go anywhere in plaintext
};

// Returns a channel to `address`, "host:port" or "unix:/path", which `flag` gave. The channel takes
// messages of any size. Returns InvalidArgument that names `flag` if the address has another form,
// or if it is on another machine and there is neither TLS nor --allow_plaintext. Returns
// InvalidArgument that names a TLS flag or file if this is wrong.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::string& flag,
                                                       const std::string& address,
                                                       Carries carries = Carries::kAnything);

// Returns the error to show for a call that failed on a channel of Connect. It is `status`, or, if
// only one of the two sides uses TLS, an error that says so and what to do. Takes up to a second if
// the server cannot be reached.
absl::Status Explain(const absl::Status& status, const std::string& address);

// Asks the gateway at `address` whether it is ready. If it is not, writes to stderr that a request
// sent now waits there for a verifier; the gateway bounds that wait. Waits for the answer for at
// most `timeout` (0: no bound) and at most 5 s. Writes nothing if no answer comes: the request will
// fail with the reason.
void TellIfItWaits(const std::string& program, const std::string& address,
                   const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_CONNECTION_H_
