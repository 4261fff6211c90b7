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
  // Serves what `sources` say at each request, those of one name as one family, on "host:port";
  // port 0 picks a free one, an empty host is every IPv4 interface, a name its first address. A
  // client that sends or reads slowly is dropped after some seconds. InvalidArgument for another
  // form, and for an address that is not loopback unless `allow_plaintext`; Unavailable if it
  // cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
                                                              std::vector<MetricSource> sources,
                                                              bool allow_plaintext = false);

  // Waits for requests under way; no source is called after.
  virtual ~MetricsServer() = default;

  // With the real port.
  virtual const std::string& address() const = 0;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_METRICS_SERVER_H_
