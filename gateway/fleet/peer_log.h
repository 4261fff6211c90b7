// The log lines about peers that become ready, are lost or are ejected. Each line says what the
// change means for requests.
#ifndef RECYCLING_GATEWAY_FLEET_PEER_LOG_H_
#define RECYCLING_GATEWAY_FLEET_PEER_LOG_H_

#include <string>

#include "absl/status/status.h"

namespace recycling::gateway {

enum class PeerRole { kVerifier, kDrafter };

// Each writes one line at level info. `address` is the peer that has changed. `ready` is the number
// of peers of its role that are ready after the change.
void LogPeerReady(PeerRole role, const std::string& address, int ready);
void LogPeerLost(PeerRole role, const std::string& address, const absl::Status& why, int ready);

// Writes one line at level warning: the peer at `address` gets no work for a while because its work
// has failed.
void LogPeerEjected(PeerRole role, const std::string& address, const absl::Status& last_failure);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_LOG_H_
