#ifndef RECYCLING_GATEWAY_CLI_API_KEY_H_
#define RECYCLING_GATEWAY_CLI_API_KEY_H_

#include <grpcpp/grpcpp.h>

namespace recycling::cli {

// Puts the caller's key into the call's metadata, if there is a key. The key is in the file that
// --api_key_file names; without that flag, in the environment variable RECYCLING_API_KEY. A key is
// never taken from the command line, because everybody on the machine can read command lines. Ends
// the process with kExitUsage if the text is not a key; the message does not show the text.
void AddApiKey(grpc::ClientContext* context);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_API_KEY_H_
