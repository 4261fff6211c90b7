#include "common/program/metrics_flags.h"

#include <utility>

#include "absl/flags/flag.h"
#include "common/base/log.h"
#include "common/base/process_metrics.h"
#include "common/base/status_macros.h"
#include "common/program/tls_flags.h"

ABSL_FLAG(
    std::string, metrics_listen, "",
    "Address, host:port, on which Prometheus can read metrics (GET /metrics, plain HTTP). Port 0 "
    "takes a free port, which the log names. Empty: no metrics are served. An address beyond "
    "this machine needs --metrics_allow_plaintext or --allow_plaintext.");
ABSL_FLAG(
    bool, metrics_allow_plaintext, false,
    "Allow --metrics_listen, but not --listen, to be an address beyond this machine. Everybody "
    "who reaches it can read the metrics.");

namespace recycling {

FlagGroup MetricsFlags() {
  return RareGroupOf("Metrics", FLAGS_metrics_listen, FLAGS_metrics_allow_plaintext);
}

absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetrics(const std::string& service,
                                                            std::vector<MetricSource> sources) {
  const std::string listen = absl::GetFlag(FLAGS_metrics_listen);
  if (listen.empty()) return nullptr;
  const bool allow_plaintext =
      absl::GetFlag(FLAGS_allow_plaintext) || absl::GetFlag(FLAGS_metrics_allow_plaintext);
  sources.push_back([service](MetricSet* set) { AddProcessMetrics(service, set); });
  ASSIGN_OR_RETURN(auto server, MetricsServer::Start(listen, std::move(sources), allow_plaintext));
  Log(LogLevel::kInfo, "serving metrics", {{"address", server->address()}});
  return server;
}

}  // namespace recycling
