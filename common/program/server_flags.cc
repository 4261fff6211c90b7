#include "common/program/server_flags.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/net/tls_credentials.h"
#include "common/program/descriptor_limit.h"

ABSL_FLAG(std::string, tls_cert, "",
          "File of this server's certificate in PEM, followed by those that link it to its "
          "authority. With it --listen speaks TLS alone. This and the other TLS files are taken "
          "again within seconds when they change.");
ABSL_FLAG(std::string, tls_key, "",
          "File of the private key of --tls_cert, in PEM, not encrypted.");
ABSL_FLAG(std::string, tls_ca, "",
          "File of the authorities, in PEM, one of which must have signed a client's certificate. "
          "Empty: clients need none.");
ABSL_FLAG(std::vector<std::string>, tls_allowed_names, {},
          "Names, one of which a client's certificate must carry as a subject alternative name; "
          "needs --tls_ca. Empty: every certificate that --tls_ca signed is welcome.");
ABSL_FLAG(bool, allow_plaintext, false,
          "Allow connections without TLS beyond this machine: whoever is on their way reads and "
          "changes what they carry. Without it plaintext is for loopback and unix: addresses "
          "(--health_listen, which tells nothing else, is always plaintext, on any address; "
          "--metrics_listen has a flag of its own, --metrics_allow_plaintext).");
ABSL_FLAG(int, max_connections, 4096,
          "Connections open at a time, 1 to 1000000; one more is closed at once. Fewer if the "
          "limit of file descriptors is lower, which is raised as far as the system allows.");
ABSL_FLAG(int, max_streams, 1024,
          "Calls at a time on one connection, 1 to 1000000; clients hold back more. For a verifier "
          "or drafter: above every gateway's --max_requests.");
ABSL_FLAG(int, max_connection_memory_mib, 512,
          "What the buffers of all connections may take, MiB, 16 to 1048576. Near it, new "
          "connections are refused and idle ones closed; at it, calls are ended.");
ABSL_FLAG(absl::Duration, handshake_timeout, absl::Seconds(10),
          "Longest time for the TLS and HTTP/2 handshakes of a new connection.");
ABSL_FLAG(absl::Duration, max_connection_idle, absl::Minutes(10),
          "A connection without a call for so long is closed; clients make another when they need "
          "it. inf: never.");
ABSL_FLAG(absl::Duration, max_connection_age, absl::InfiniteDuration(),
          "A connection is drained at this age, so that clients behind a load balancer spread "
          "anew. inf: never.");
ABSL_FLAG(absl::Duration, max_connection_age_grace, absl::Minutes(10),
          "How long the calls of a connection that is drained for its age may go on.");
ABSL_FLAG(absl::Duration, keepalive_time, absl::Seconds(10),
          "A connection silent for so long is asked for a sign of life; 1s and more. Keep it below "
          "the idle timeout of proxies on the way.");
ABSL_FLAG(absl::Duration, keepalive_timeout, absl::Seconds(10),
          "Longest wait for that sign; without one the connection's calls are cancelled.");

namespace recycling {
namespace {

// Files, peers, health checks, gRPC's own.
constexpr int kOtherDescriptors = 256;

absl::Status CheckCount(const char* flag, int value, int low, int high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": got ", value, ", expected ", low, " to ", high));
}

absl::Status CheckDuration(const char* flag, absl::Duration value, absl::Duration low) {
  if (value >= low) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": got ", absl::FormatDuration(value),
                                                 ", expected ", absl::FormatDuration(low),
                                                 " or more"));
}

absl::StatusOr<ConnectionLimits> LimitsFromFlags() {
  ConnectionLimits limits;
  limits.max_connections = absl::GetFlag(FLAGS_max_connections);
  limits.max_streams = absl::GetFlag(FLAGS_max_streams);
  const int memory_mib = absl::GetFlag(FLAGS_max_connection_memory_mib);
  limits.max_memory = std::int64_t{memory_mib} << 20;
  limits.handshake_timeout = absl::GetFlag(FLAGS_handshake_timeout);
  limits.max_idle = absl::GetFlag(FLAGS_max_connection_idle);
  limits.max_age = absl::GetFlag(FLAGS_max_connection_age);
  limits.age_grace = absl::GetFlag(FLAGS_max_connection_age_grace);
  limits.keepalive_time = absl::GetFlag(FLAGS_keepalive_time);
  limits.keepalive_timeout = absl::GetFlag(FLAGS_keepalive_timeout);
  RETURN_IF_ERROR(CheckCount("max_connections", limits.max_connections, 1, 1'000'000));
  RETURN_IF_ERROR(CheckCount("max_streams", limits.max_streams, 1, 1'000'000));
  RETURN_IF_ERROR(CheckCount("max_connection_memory_mib", memory_mib, 16, 1 << 20));
  const absl::Duration least = absl::Seconds(1);
  RETURN_IF_ERROR(CheckDuration("handshake_timeout", limits.handshake_timeout, least));
  RETURN_IF_ERROR(CheckDuration("max_connection_idle", limits.max_idle, least));
  RETURN_IF_ERROR(CheckDuration("max_connection_age", limits.max_age, least));
  RETURN_IF_ERROR(CheckDuration("max_connection_age_grace", limits.age_grace, least));
  RETURN_IF_ERROR(CheckDuration("keepalive_time", limits.keepalive_time, least));
  RETURN_IF_ERROR(CheckDuration("keepalive_timeout", limits.keepalive_timeout, least));
  return limits;
}

// Connections that each of `servers` may have with the descriptors that there are.
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
  Log(LogLevel::kWarning, "fewer connections than --max_connections, for want of descriptors",
      {{"connections", absl::StrCat(fit)},
       {"descriptors", absl::StrCat(limit)},
       {"needed", absl::StrCat(needed)}});
  return static_cast<int>(fit);
}

}  // namespace

bool PlaintextAllowedByFlag() { return absl::GetFlag(FLAGS_allow_plaintext); }

absl::StatusOr<RpcServerOptions> ServerOptionsFromFlags(int servers) {
  RpcServerOptions options;
  ASSIGN_OR_RETURN(options.limits, LimitsFromFlags());
  options.allow_plaintext = PlaintextAllowedByFlag();
  const auto expiry = std::make_shared<CertificateExpiry>();
  const ServerTlsOptions tls = {.files = {.certificate = absl::GetFlag(FLAGS_tls_cert),
                                          .key = absl::GetFlag(FLAGS_tls_key),
                                          .ca = absl::GetFlag(FLAGS_tls_ca)},
                                .allowed_names = absl::GetFlag(FLAGS_tls_allowed_names),
                                .expiry = expiry};
  const bool any = !tls.files.certificate.empty() || !tls.files.key.empty() ||
                   !tls.files.ca.empty() || !tls.allowed_names.empty();
  if (any) {
    if (tls.files.certificate.empty() || tls.files.key.empty()) {
      return absl::InvalidArgumentError(
          "--tls_cert, --tls_key: got not both, expected both, or no TLS flag at all");
    }
    ASSIGN_OR_RETURN(options.credentials, CreateServerCredentials(tls));
    options.certificate_expiry = expiry;
  }
  ASSIGN_OR_RETURN(options.limits.max_connections,
                   FitDescriptors(options.limits.max_connections, servers));
  return options;
}

}  // namespace recycling
