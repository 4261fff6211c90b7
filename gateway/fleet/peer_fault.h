#ifndef RECYCLING_GATEWAY_FLEET_PEER_FAULT_H_
#define RECYCLING_GATEWAY_FLEET_PEER_FAULT_H_

#include "absl/status/status.h"

namespace recycling::gateway {

// Whether `outcome`, with which a call to a peer ended, counts against the peer.
//
//   the peer's fault    Unavailable, DeadlineExceeded, Internal, Unknown, DataLoss, Aborted,
//                       Cancelled (nobody here has cancelled), Unimplemented, FailedPrecondition
//                       (it is not the peer of the handshake)
//   not the peer's      OK, and what one request or tenant asks for and may not have:
//                       InvalidArgument, OutOfRange, NotFound, AlreadyExists, PermissionDenied,
//                       Unauthenticated, ResourceExhausted
//
// So no tenant can have a peer ejected for all the others by requests that the peer must refuse.
// The caller must leave out calls that ended because the request's own deadline has passed.
bool IsPeersFault(const absl::Status& outcome);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_FAULT_H_
