// The flags that say how a gateway reaches its peers.
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

// Makes channels as the --peer_tls flags, --peer_key_file and --allow_plaintext say.
// InvalidArgument naming the flag or file that is wrong, or the first of `peers` that would be
// reached in plaintext beyond this machine without --allow_plaintext. `certificate`, which may be
// null, is told when the certificate of --peer_tls_cert expires. Call once in a process.
absl::StatusOr<ChannelFactory> PeerChannelsFromFlags(
    const std::vector<PeerTarget>& peers, std::shared_ptr<CertificateExpiry> certificate = nullptr);

// For a peer that could not be greeted: as ExplainUnavailable, with --peer_tls_ca.
absl::Status ExplainPeerFromFlags(const absl::Status& status, const std::string& address);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_PEER_CHANNEL_FLAGS_H_
