#ifndef RECYCLING_COMMON_PROGRAM_PROCESS_TUNING_H_
#define RECYCLING_COMMON_PROGRAM_PROCESS_TUNING_H_

namespace recycling {

// Settles for the whole process what costs each message time in libraries that were built to suit
// everybody. Call first in main, before any thread and any use of gRPC.
//  1. Abseil's mutexes do not look for lock cycles, which Debian's build otherwise does at each
//     lock inside gRPC.
//  2. gRPC waits with poll(2) unless GRPC_POLL_STRATEGY says otherwise: a thread that waits for its
//     own stream is then woken itself, and not by another one that waits for all sockets.
void TuneProcess();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_PROCESS_TUNING_H_
