#include "common/metrics_server.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace recycling {
namespace {

prometheus::MetricType TypeOf(MetricSet::Type type) {
  switch (type) {
    case MetricSet::Type::kCounter:
      return prometheus::MetricType::Counter;
    case MetricSet::Type::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricSet::Type::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

prometheus::ClientMetric ToPrometheus(const MetricSet::Sample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  metric.counter.value = sample.value;
  metric.gauge.value = sample.value;
  metric.histogram.sample_count = sample.histogram.count;
  metric.histogram.sample_sum = sample.histogram.sum;
  for (const auto& bucket : sample.histogram.buckets) {
    metric.histogram.bucket.push_back({bucket.count, bucket.upper_bound});
  }
  metric.histogram.bucket.push_back(
      {sample.histogram.count, std::numeric_limits<double>::infinity()});
  return metric;
}

class Sources final : public prometheus::Collectable {
 public:
  explicit Sources(std::vector<MetricSource> sources) : sources_(std::move(sources)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    MetricSet set;
    for (const MetricSource& source : sources_) source(&set);
    std::vector<prometheus::MetricFamily> families;
    for (const MetricSet::Family& from : set.families()) {
      prometheus::MetricFamily family{from.name, from.help, TypeOf(from.type), {}};
      for (const MetricSet::Sample& sample : from.samples) {
        family.metric.push_back(ToPrometheus(sample));
      }
      families.push_back(std::move(family));
    }
    return families;
  }

 private:
  const std::vector<MetricSource> sources_;
};

class PrometheusServer final : public MetricsServer {
 public:
  // Throws what the library throws.
  PrometheusServer(const std::string& host, const std::string& port,
                   std::shared_ptr<Sources> sources)
      : sources_(std::move(sources)),
        exposer_({"listening_ports", host.empty() ? port : absl::StrCat(host, ":", port),
                  "num_threads", "4", "request_timeout_ms", "5000", "linger_timeout_ms", "1000"}) {
    exposer_.RegisterCollectable(sources_);
    address_ = absl::StrCat(host, ":", exposer_.GetListeningPorts().at(0));
  }

  const std::string& address() const override { return address_; }

 private:
  const std::shared_ptr<Sources> sources_;
  std::string address_;
  prometheus::Exposer exposer_;  // last: its threads use all of the above
};

// Letters, digits, and what else stands in names and addresses; the library gives meaning to more.
bool IsHost(const std::string& host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == ':' || c == '[' || c == ']';
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& listen, std::vector<MetricSource> sources) {
  const std::size_t colon = listen.rfind(':');
  const std::string host = listen.substr(0, colon);
  int port = -1;
  if (colon == std::string::npos || !IsHost(host) ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "metrics_listen: got \"", listen, "\", expected host:port with a port from 0 to 65535"));
  }
  try {
    return std::make_unique<PrometheusServer>(host, absl::StrCat(port),
                                              std::make_shared<Sources>(std::move(sources)));
  } catch (const std::exception& error) {  // thrown by the library alone
    return absl::UnavailableError(
        absl::StrCat("metrics_listen: cannot bind ", listen,
                     " (in use, not this machine's, or not permitted): ", error.what()));
  }
}

}  // namespace recycling
