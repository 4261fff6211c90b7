#ifndef RECYCLING_GATEWAY_FLEET_PEER_FAULT_H_
#define RECYCLING_GATEWAY_FLEET_PEER_FAULT_H_

#include "absl/status/status.h"

namespace recycling::gateway {

// Returns whether a call to a peer that ended with `outcome` counts as a failure of the peer.
//
//   the peer's fault    Unavailable, DeadlineExceeded, Internal, Unknown, DataLoss, Aborted,
//                       Cancelled (the gateway has not cancelled), Unimplemented,
//                       FailedPrecondition (another peer than in the handshake answers)
//   not the peer's      OK, and refusals that depend on the request or its tenant:
//                       InvalidArgument, OutOfRange, NotFound, AlreadyExists, PermissionDenied,
//                       Unauthenticated, ResourceExhausted
//
// So a tenant whose requests a peer must refuse cannot get this peer ejected for other tenants. The
// caller must leave out calls that ended because the request's own deadline has passed.
bool IsPeersFault(const absl::Status& outcome);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_FAULT_H_
