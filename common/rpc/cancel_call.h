// Ends a server's call from outside its handler.
#ifndef RECYCLING_COMMON_RPC_CANCEL_CALL_H_
#define RECYCLING_COMMON_RPC_CANCEL_CALL_H_

#include "absl/status/status.h"

struct grpc_call;

namespace recycling {

// Cancels `call`, which is c_call() of a server context. It must not be freed meanwhile. `why` must
// not be OK. The client gets this status at once, even before messages that it has not read. The
// call's callbacks may run on this thread before this returns. Threads: any.
void CancelCall(grpc_call* call, const absl::Status& why);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CANCEL_CALL_H_
