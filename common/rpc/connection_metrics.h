// What a service's connections say to who watches it.
#ifndef RECYCLING_COMMON_RPC_CONNECTION_METRICS_H_
#define RECYCLING_COMMON_RPC_CONNECTION_METRICS_H_

#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "common/rpc/rpc_server.h"

namespace recycling {

// Of all `servers` of a process together: recycling_connections_refused_total, and when the first
// of their certificates ends. They must outlive the source.
MetricSource ConnectionMetrics(std::vector<const RpcServer*> servers);

// recycling_tls_certificate_expiry_seconds of the certificate that this process shows as a "server"
// or "client"; no sample where it has none. Threads: any.
void AddCertificateMetrics(std::string_view role, std::optional<absl::Time> expires,
                           MetricSet* metrics);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CONNECTION_METRICS_H_
