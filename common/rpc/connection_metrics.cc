#include "common/rpc/connection_metrics.h"

#include <cstdint>
#include <string>
#include <utility>

namespace recycling {

MetricSource ConnectionMetrics(std::vector<const RpcServer*> servers) {
  return [servers = std::move(servers)](MetricSet* metrics) {
    std::uint64_t refused = 0;
    std::optional<absl::Time> first;
    for (const RpcServer* server : servers) {
      refused += server->refused_connections();
      const auto expires = server->certificate_expires();
      if (expires.has_value() && (!first.has_value() || *expires < *first)) first = expires;
    }
    metrics->Counter("recycling_connections_refused_total",
                     "Connections closed as soon as they were accepted: too many were open, or no "
                     "descriptors were left.",
                     refused);
    AddCertificateMetrics("server", first, metrics);
  };
}

void AddCertificateMetrics(std::string_view role, std::optional<absl::Time> expires,
                           MetricSet* metrics) {
  if (!expires.has_value()) return;
  metrics->Gauge(
      "recycling_tls_certificate_expiry_seconds", "When the certificate in use ends, since 1970.",
      static_cast<double>(absl::ToUnixSeconds(*expires)), {{"certificate", std::string(role)}});
}

}  // namespace recycling
