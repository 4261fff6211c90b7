#include "gateway/peer_channel_flags.h"

#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/net/server_probe.h"
#include "common/net/target.h"
#include "common/net/tls_credentials.h"
#include "common/program/tls_flags.h"
#include "common/rpc/keyed_channel.h"

ABSL_FLAG(
    std::string, peer_tls_ca, "",
    "PEM file with the certificates of authorities, one of which must have signed a verifier's "
    "or drafter's certificate. With it peers are reached only by TLS; empty: in plaintext.");
ABSL_FLAG(
    std::string, peer_tls_cert, "",
    "PEM file with the certificate that this gateway shows to its peers; needs --peer_tls_key "
    "and --peer_tls_ca. Empty: none.");
ABSL_FLAG(std::string, peer_tls_key, "",
          "PEM file with the private key of --peer_tls_cert, not encrypted.");
ABSL_FLAG(std::vector<std::string>, peer_tls_names, {},
          "Names, one of which a peer's certificate must carry as a DNS name. Empty: the host or "
          "address at which it is reached, which is an IP address behind dns:///name.");
ABSL_FLAG(std::string, peer_key_file, "",
          "File with the API key of role peer that calls to verifiers and drafters carry; read at "
          "start. Empty: none.");

namespace recycling::gateway {

FlagGroup PeerChannelFlags() {
  return RareGroupOf("TLS and key towards peers", FLAGS_peer_tls_ca, FLAGS_peer_tls_cert,
                     FLAGS_peer_tls_key, FLAGS_peer_tls_names, FLAGS_peer_key_file);
}

absl::StatusOr<ChannelFactory> PeerChannelsFromFlags(
    const std::vector<PeerTarget>& peers, std::shared_ptr<CertificateExpiry> certificate) {
  PeerChannelOptions options;
  options.allow_plaintext = absl::GetFlag(FLAGS_allow_plaintext);
  if (const std::string path = absl::GetFlag(FLAGS_peer_key_file); !path.empty()) {
    ASSIGN_OR_RETURN(options.key, ReadKeyFile("--peer_key_file", path));
  }
  const ChannelTlsOptions tls = {.files = {.certificate = absl::GetFlag(FLAGS_peer_tls_cert),
                                           .key = absl::GetFlag(FLAGS_peer_tls_key),
                                           .ca = absl::GetFlag(FLAGS_peer_tls_ca)},
                                 .names = absl::GetFlag(FLAGS_peer_tls_names),
                                 .expiry = std::move(certificate)};
  if (!tls.files.ca.empty()) {
    ASSIGN_OR_RETURN(options.credentials, CreateChannelCredentials(tls));
    return PeerChannels(options);
  }
  if (!tls.files.certificate.empty() || !tls.files.key.empty() || !tls.names.empty()) {
    return absl::InvalidArgumentError(
        "--peer_tls_ca: got none beside other --peer_tls flags, expected the file of authorities");
  }
  for (const PeerTarget& peer : peers) {
    RETURN_IF_ERROR(CheckPlaintext("--verifiers, --drafters", peer.address, options.allow_plaintext,
                                   "--peer_tls_ca"));
  }
  return PeerChannels(options);
}

absl::Status ExplainPeerFromFlags(const absl::Status& status, const std::string& address) {
  return ExplainUnavailable(status, address, !absl::GetFlag(FLAGS_peer_tls_ca).empty(),
                            "--peer_tls_ca");
}

}  // namespace recycling::gateway
