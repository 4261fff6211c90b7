// Ends calls of a server from outside their handlers.
#ifndef RECYCLING_COMMON_RPC_CANCEL_CALL_H_
#define RECYCLING_COMMON_RPC_CANCEL_CALL_H_

#include "absl/status/status.h"

struct grpc_call;

namespace recycling {

// Cancels `call` (c_call() of a server context), which must not be freed meanwhile, with `why`,
// which is not OK. The client gets this status at once, not behind messages that it has not read.
// Reactions of the call may run on this thread before this returns. Threads: any.
void CancelCall(grpc_call* call, const absl::Status& why);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CANCEL_CALL_H_
