// The command line flags that name the verifiers of a gateway, and those for its connections to its
// peers.
#ifndef RECYCLING_GATEWAY_PEER_CHANNEL_FLAGS_H_
#define RECYCLING_GATEWAY_PEER_CHANNEL_FLAGS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/status/statusor.h"
#include "common/net/certificate_expiry.h"
#include "common/program/flag_group.h"
#include "gateway/fleet/peer_target.h"
#include "gateway/grpc/peer_channel.h"

ABSL_DECLARE_FLAG(std::string, verifiers);

namespace recycling::gateway {

FlagGroup PeerChannelFlags();

// Reads the peers of a flag. The flag holds a list, or "@" and the name of a file with a list. Sets
// `file` to that name. Returns the errors of ParsePeerList and PeerListFile::Read.
absl::StatusOr<std::vector<PeerTarget>> ReadPeers(const std::string& flag, std::size_t at_least,
                                                  std::string* file);

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
