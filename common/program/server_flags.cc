#include "common/program/server_flags.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/check_range.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/net/tls_credentials.h"
#include "common/program/descriptor_limit.h"
#include "common/program/tls_flags.h"

ABSL_FLAG(
    std::vector<std::string>, tls_allowed_names, {},
    "Allowed names, separated by commas. A client's certificate must have one of them as a subject "
    "alternative name. Needs --tls_ca. Empty: every certificate signed by --tls_ca is accepted.");
ABSL_FLAG(
    int, max_connections, 4096,
    "Connections that may be open at the same time, 1 to 1000000. The service closes any further "
    "connection. It raises its limit of file descriptors. If the system does not allow enough of "
    "them, it allows fewer connections.");
ABSL_FLAG(int, max_connection_memory_mib, 512,
          "MiB that the buffers of all connections may take, 16 to 1048576. Near this bound gRPC "
          "refuses new connections and closes idle ones; at the bound it ends calls.");
ABSL_FLAG(
    absl::Duration, max_connection_age, absl::InfiniteDuration(),
    "Age after which a connection takes no new calls, at least 1s. Clients behind a load balancer "
    "then connect again, perhaps to another server. inf: never.");

namespace recycling {
namespace {

// Descriptors for files, peers, health checks and gRPC itself.
constexpr int kOtherDescriptors = 256;

absl::StatusOr<ConnectionLimits> LimitsFromFlags() {
  ConnectionLimits limits;
  limits.max_connections = absl::GetFlag(FLAGS_max_connections);
  const int memory_mib = absl::GetFlag(FLAGS_max_connection_memory_mib);
  limits.max_memory = std::int64_t{memory_mib} << 20;
  limits.max_age = absl::GetFlag(FLAGS_max_connection_age);
  RETURN_IF_ERROR(CheckRange("--max_connections", limits.max_connections, 1, 1'000'000));
  RETURN_IF_ERROR(CheckRange("--max_connection_memory_mib", memory_mib, 16, 1 << 20));
  RETURN_IF_ERROR(CheckRange("--max_connection_age", limits.max_age, absl::Seconds(1)));
  return limits;
}

// The number of connections that each of `servers` may have with the available descriptors.
absl::StatusOr<int> FitDescriptors(int wanted, int servers) {
  const std::int64_t needed = std::int64_t{wanted} * servers + kOtherDescriptors;
  const std::int64_t limit = RaiseDescriptorLimit(needed);
  const std::int64_t fit = (limit - kOtherDescriptors) / servers;
  if (fit >= wanted) return wanted;
  if (fit < 1) {
    return absl::ResourceExhaustedError(
        absl::StrCat("file descriptors: got a limit of ", limit, ", expected at least ",
                     kOtherDescriptors + servers, " (ulimit -n, LimitNOFILE)"));
  }
  Log(LogLevel::kWarning,
      "too few file descriptors: fewer connections than --max_connections are allowed",
      {{"connections", absl::StrCat(fit)},
       {"descriptors", absl::StrCat(limit)},
       {"needed", absl::StrCat(needed)}});
  return static_cast<int>(fit);
}

}  // namespace

FlagGroup TlsFlags() {
  return RareGroupOf("TLS", FLAGS_tls_cert, FLAGS_tls_key, FLAGS_tls_ca, FLAGS_tls_allowed_names,
                     FLAGS_allow_plaintext);
}

FlagGroup ConnectionFlags() {
  return RareGroupOf("Connections", FLAGS_max_connections, FLAGS_max_connection_memory_mib,
                     FLAGS_max_connection_age);
}

absl::StatusOr<std::optional<ServerTlsOptions>> ServerTlsFromFlags() {
  ServerTlsOptions tls = {.files = {.certificate = absl::GetFlag(FLAGS_tls_cert),
                                    .key = absl::GetFlag(FLAGS_tls_key),
                                    .ca = absl::GetFlag(FLAGS_tls_ca)},
                          .allowed_names = absl::GetFlag(FLAGS_tls_allowed_names),
                          .expiry = nullptr};
  const bool any = !tls.files.certificate.empty() || !tls.files.key.empty() ||
                   !tls.files.ca.empty() || !tls.allowed_names.empty();
  if (!any) return std::nullopt;
  if (tls.files.certificate.empty() || tls.files.key.empty()) {
    return absl::InvalidArgumentError(
        "TLS flags: got them without --tls_cert and --tls_key, expected both of these, or no TLS "
        "flag");
  }
  return tls;
}

absl::StatusOr<RpcServerOptions> ServerOptionsFromFlags(int servers) {
  RpcServerOptions options;
  ASSIGN_OR_RETURN(options.limits, LimitsFromFlags());
  options.allow_plaintext = absl::GetFlag(FLAGS_allow_plaintext);
  ASSIGN_OR_RETURN(std::optional<ServerTlsOptions> tls, ServerTlsFromFlags());
  if (tls.has_value()) {
    tls->expiry = std::make_shared<CertificateExpiry>();
    ASSIGN_OR_RETURN(options.credentials, CreateServerCredentials(*tls));
    options.certificate_expiry = tls->expiry;
  }
  ASSIGN_OR_RETURN(options.limits.max_connections,
                   FitDescriptors(options.limits.max_connections, servers));
  return options;
}

}  // namespace recycling
