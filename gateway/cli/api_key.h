#ifndef RECYCLING_GATEWAY_CLI_API_KEY_H_
#define RECYCLING_GATEWAY_CLI_API_KEY_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/status/statusor.h"

namespace recycling::cli {

// Returns the key in the file that --api_key_file names. Without that flag, returns the key in the
// environment variable RECYCLING_API_KEY, or an empty string. InvalidArgument if the text is not a
// key; the message does not show the text. A key is never taken from the command line, because
// everybody on the machine can read command lines.
absl::StatusOr<std::string> ApiKeyFromFlags();

// Puts that key into the call's metadata, if there is a key. Ends the process with kExitUsage if
// the text is not a key.
void AddApiKey(grpc::ClientContext* context);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_API_KEY_H_
