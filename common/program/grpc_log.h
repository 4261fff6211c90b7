// What gRPC itself logs, as lines of this program's log.
#ifndef RECYCLING_COMMON_PROGRAM_GRPC_LOG_H_
#define RECYCLING_COMMON_PROGRAM_GRPC_LOG_H_

namespace recycling {

// From now on gRPC's errors (its lower levels too where GRPC_VERBOSITY asks for them) are written
// with Log, with message "grpc". Whoever connects can make gRPC complain, so that at most ten
// lines are written in ten seconds; the next one says how many were left out.
void RouteGrpcLog();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_GRPC_LOG_H_
