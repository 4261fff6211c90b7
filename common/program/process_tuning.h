#ifndef RECYCLING_COMMON_PROGRAM_PROCESS_TUNING_H_
#define RECYCLING_COMMON_PROGRAM_PROCESS_TUNING_H_

namespace recycling {

// Changes two settings of libraries that otherwise take time at each message, for the whole
// process. Call first in main, before any thread and any use of gRPC.
//  1. Abseil's mutexes do not search for lock cycles. Debian's build otherwise does so at each lock
//     inside gRPC.
//  2. gRPC waits with poll(2) unless GRPC_POLL_STRATEGY is set. A thread that waits for its own
//     stream is then woken directly, not through another thread that waits for all sockets.
void TuneProcess();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_PROCESS_TUNING_H_
