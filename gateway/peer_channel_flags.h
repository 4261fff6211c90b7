// The command line flags for the connections of a gateway to its peers.
#ifndef RECYCLING_GATEWAY_PEER_CHANNEL_FLAGS_H_
#define RECYCLING_GATEWAY_PEER_CHANNEL_FLAGS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/certificate_expiry.h"
#include "common/program/flag_group.h"
#include "gateway/fleet/peer_target.h"
#include "gateway/grpc/peer_channel.h"

namespace recycling::gateway {

FlagGroup PeerChannelFlags();

// Returns a factory for channels that follow the --peer_tls flags, --peer_key_file and
// --allow_plaintext. Returns InvalidArgument, with the name of the flag or file, if one of them is
// wrong. Returns InvalidArgument, with the address of the peer, if one of `peers` is on another
// machine, and neither --peer_tls_ca nor --allow_plaintext is set. `certificate` gets the expiry
// time of the certificate in --peer_tls_cert. It may be null. Call this once in a process.
absl::StatusOr<ChannelFactory> PeerChannelsFromFlags(
    const std::vector<PeerTarget>& peers, std::shared_ptr<CertificateExpiry> certificate = nullptr);

// Explains why the handshake with the peer at `address` failed with `status`: returns the result of
// ExplainUnavailable (server_probe.h) with the flag --peer_tls_ca.
absl::Status ExplainPeerFromFlags(const absl::Status& status, const std::string& address);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_PEER_CHANNEL_FLAGS_H_
