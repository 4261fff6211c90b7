// Metrics of a service's connections.
#ifndef RECYCLING_COMMON_RPC_CONNECTION_METRICS_H_
#define RECYCLING_COMMON_RPC_CONNECTION_METRICS_H_

#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "common/rpc/rpc_server.h"

namespace recycling {

// Metrics of all `servers` of a process together: recycling_connections_refused_total, and the
// earliest expiry of their certificates. The servers must outlive the source.
MetricSource ConnectionMetrics(std::vector<const RpcServer*> servers);

// Adds recycling_tls_certificate_expiry_seconds for the certificate that this process uses in the
// role "server" or "client". Adds nothing if `expires` is not set. Threads: any.
void AddCertificateMetrics(std::string_view role, std::optional<absl::Time> expires,
                           MetricSet* metrics);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CONNECTION_METRICS_H_
