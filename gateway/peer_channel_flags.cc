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
#include "gateway/fleet/peer_list_file.h"

ABSL_FLAG(
    std::string, verifiers, "",
    "Addresses of the verifiers, separated by commas: host:port, unix:/path, or dns:///name:port. "
    "With dns:///, the gateway uses every address of the name, and resolves the name again every "
    "10 s. @FILE: the gateway reads the addresses from this file, separated by line breaks or "
    "commas, and reads the file again when it changes. Empty: the verifier is in the same process, "
    "which only recycling-standalone allows.");
ABSL_FLAG(
    std::string, peer_tls_ca, "",
    "PEM file with the certificates of authorities. One of them must have signed the certificate "
    "of each verifier and drafter. If it is set, the gateway connects to peers only with TLS. "
    "Empty: it connects in plaintext.");
ABSL_FLAG(
    std::string, peer_tls_cert, "",
    "PEM file with the certificate that this gateway shows to its peers; needs --peer_tls_key "
    "and --peer_tls_ca. Empty: none.");
ABSL_FLAG(std::string, peer_tls_key, "",
          "PEM file with the private key of --peer_tls_cert, not encrypted.");
ABSL_FLAG(std::vector<std::string>, peer_tls_names, {},
          "DNS names. A peer's certificate must contain one of them. Empty: it must contain the "
          "host or IP address to which the gateway connects. Behind dns:///name that is an IP "
          "address.");
ABSL_FLAG(std::string, peer_key_file, "",
          "File with an API key of role peer. The gateway reads it at start and sends the key with "
          "each call to a verifier or drafter. Empty: it sends no key.");

namespace recycling::gateway {

FlagGroup PeerChannelFlags() {
  return RareGroupOf("TLS and key towards peers", FLAGS_peer_tls_ca, FLAGS_peer_tls_cert,
                     FLAGS_peer_tls_key, FLAGS_peer_tls_names, FLAGS_peer_key_file);
}

absl::StatusOr<std::vector<PeerTarget>> ReadPeers(const std::string& flag, std::size_t at_least,
                                                  std::string* file) {
  if (!flag.starts_with('@')) return ParsePeerList(flag);
  *file = flag.substr(1);
  return PeerListFile(*file, at_least).Read();
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
        "--peer_tls_ca: got no file, expected one, because another --peer_tls flag is set");
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
