// Writes gRPC's own log messages to this program's log.
#ifndef RECYCLING_COMMON_PROGRAM_GRPC_LOG_H_
#define RECYCLING_COMMON_PROGRAM_GRPC_LOG_H_

namespace recycling {

// From now on gRPC's errors are written with Log, with the message "grpc"; its less important
// messages too if GRPC_VERBOSITY is set so. A remote client can cause such errors, so at most ten
// lines are written in ten seconds. The next line after that says how many were left out.
void RouteGrpcLog();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_GRPC_LOG_H_
