#ifndef RECYCLING_GATEWAY_CLI_API_KEY_H_
#define RECYCLING_GATEWAY_CLI_API_KEY_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/status/statusor.h"

namespace recycling::cli {

// The key in the file of --api_key_file, else in the environment's RECYCLING_API_KEY, else empty.
// InvalidArgument, which does not show it, if that is no key. Never from the command line, which
// everybody on the machine can read.
absl::StatusOr<std::string> ApiKeyFromFlags();

// Puts that key into the call's metadata, if there is one. Ends the process with kExitUsage if it
// is wrong.
void AddApiKey(grpc::ClientContext* context);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_API_KEY_H_
