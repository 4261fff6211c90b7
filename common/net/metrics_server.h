// Serves metrics to a Prometheus server: GET /metrics over plain HTTP/1.1.
#ifndef RECYCLING_COMMON_NET_METRICS_SERVER_H_
#define RECYCLING_COMMON_NET_METRICS_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/metrics.h"

namespace recycling {

// Threads: all methods may be called from any thread.
class MetricsServer {
 public:
  // Serves the metrics of `sources` on "host:port" and asks all of them at each request. Samples of
  // one name form one family. Port 0 picks a free port. An empty host means every IPv4 interface. A
  // name means its first address. A client that sends or reads slowly is disconnected after some
  // seconds. InvalidArgument for a malformed address, and for one that is not loopback unless
  // `allow_plaintext`. Unavailable if the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
                                                              std::vector<MetricSource> sources,
                                                              bool allow_plaintext = false);

  // Waits for running requests. Afterwards no source is called.
  virtual ~MetricsServer() = default;

  // The bound address, with its real port.
  virtual const std::string& address() const = 0;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_METRICS_SERVER_H_
