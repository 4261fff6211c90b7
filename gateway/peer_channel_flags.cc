#include "gateway/peer_channel_flags.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "common/net/target.h"
#include "common/net/tls_credentials.h"
#include "common/program/server_flags.h"
#include "common/rpc/keyed_channel.h"

ABSL_DECLARE_FLAG(absl::Duration, keepalive_time);
ABSL_DECLARE_FLAG(absl::Duration, keepalive_timeout);

ABSL_FLAG(
    std::string, peer_tls_ca, "",
    "File of the authorities, in PEM, one of which must have signed a verifier's or drafter's "
    "certificate. With it peers are reached by TLS alone; empty: in plaintext.");
ABSL_FLAG(std::string, peer_tls_cert, "",
          "File of the certificate, in PEM, that this gateway shows to its peers; needs "
          "--peer_tls_key and --peer_tls_ca. Empty: none.");
ABSL_FLAG(std::string, peer_tls_key, "",
          "File of the private key of --peer_tls_cert, in PEM, not encrypted.");
ABSL_FLAG(std::vector<std::string>, peer_tls_names, {},
          "Names, one of which a peer's certificate must carry as a DNS name. Empty: the host or "
          "address that it is reached at; behind dns:///name that is an IP address.");

ABSL_FLAG(std::string, peer_key_file, "",
          "File with the API key, of role inference, that calls to verifiers and drafters carry; "
          "read at start. Empty: none.");

namespace recycling::gateway {

absl::StatusOr<ChannelFactory> PeerChannelsFromFlags(
    const std::vector<PeerTarget>& peers, std::shared_ptr<CertificateExpiry> certificate) {
  PeerChannelOptions options;
  options.allow_plaintext = PlaintextAllowedByFlag();
  options.keepalive_time = std::max(options.keepalive_time, absl::GetFlag(FLAGS_keepalive_time));
  options.keepalive_timeout = absl::GetFlag(FLAGS_keepalive_timeout);
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

}  // namespace recycling::gateway
