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
  // Asks all `sources` at each request and serves their metrics on "host:port"; samples of one name
  // become one family. Port 0 picks a free one; an empty host means every IPv4 interface, a name
  // its first address. A client that sends or reads slowly is dropped after some seconds.
  // InvalidArgument for an address of another form, and for one that is not loopback unless
  // `allow_plaintext`; Unavailable if it cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
                                                              std::vector<MetricSource> sources,
                                                              bool allow_plaintext = false);

  // Waits for the requests that run. No source is called after it.
  virtual ~MetricsServer() = default;

  // The bound address, with its real port.
  virtual const std::string& address() const = 0;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_METRICS_SERVER_H_
