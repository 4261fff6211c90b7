#include "gateway/cli/connection.h"

#include <algorithm>
#include <cstdio>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/net/server_probe.h"
#include "common/net/target.h"
#include "common/net/tls_credentials.h"
#include "common/rpc/health_client.h"
#include "gateway/cli/flags.h"

namespace recycling::cli {
namespace {

// The credentials that the TLS flags ask for; null for plaintext.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsFromFlags() {
  const TlsFiles files = {.certificate = absl::GetFlag(FLAGS_tls_cert),
                          .key = absl::GetFlag(FLAGS_tls_key),
                          .ca = absl::GetFlag(FLAGS_tls_ca)};
  if (!files.ca.empty()) return CreateChannelCredentials({.files = files});
  if (!files.certificate.empty() || !files.key.empty() || !absl::GetFlag(FLAGS_tls_name).empty()) {
    return absl::InvalidArgumentError(
        "--tls_ca: got none, but other --tls flags; expected the file of certificate authorities");
  }
  return std::shared_ptr<grpc::ChannelCredentials>();
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::string& flag,
                                                       const std::string& address,
                                                       Carries carries) {
  RETURN_IF_ERROR(CheckTarget(flag, address));
  ASSIGN_OR_RETURN(auto credentials, CredentialsFromFlags());
  if (credentials == nullptr) {
    if (carries != Carries::kHealthOnly) {
      RETURN_IF_ERROR(
          CheckPlaintext(flag, address, absl::GetFlag(FLAGS_allow_plaintext), "--tls_ca"));
    }
    credentials = grpc::InsecureChannelCredentials();
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  // A stream that waits for a long prompt must not look idle to proxies.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  if (const std::string name = absl::GetFlag(FLAGS_tls_name); !name.empty()) {
    arguments.SetString(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, name);
  }
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

absl::Status Explain(const absl::Status& status, const std::string& address) {
  return ExplainUnavailable(status, address, !absl::GetFlag(FLAGS_tls_ca).empty(), "--tls_ca");
}

void TellIfItWaits(const std::string& program, const std::string& address,
                   const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout) {
  constexpr absl::Duration kLongest = absl::Seconds(5);
  const absl::StatusOr<bool> ready =
      CheckHealth(channel, kGatewayService,
                  timeout > absl::ZeroDuration() ? std::min(timeout, kLongest) : kLongest);
  if (!ready.ok() || *ready) return;
  std::fprintf(stderr,
               "%s: waiting for a verifier at the gateway %s: it has none that is ready. Ctrl-C "
               "ends the wait.\n",
               program.c_str(), Escaped(address).c_str());
}

}  // namespace recycling::cli
