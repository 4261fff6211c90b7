#include "common/net/metrics_server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/net/listen_address.h"

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
  // `bind` is the address that the library binds. address() returns `host` and the bound port.
  // Throws the exceptions of the library.
  PrometheusServer(const std::string& bind, const std::string& host,
                   std::shared_ptr<Sources> sources)
      : sources_(std::move(sources)),
        exposer_({"listening_ports", bind, "num_threads", "4", "request_timeout_ms", "5000",
                  "linger_timeout_ms", "1000"}) {
    exposer_.RegisterCollectable(sources_);
    address_ = absl::StrCat(host, ":", exposer_.GetListeningPorts().at(0));
  }

  const std::string& address() const override { return address_; }

 private:
  const std::shared_ptr<Sources> sources_;
  std::string address_;
  prometheus::Exposer exposer_;  // last: its threads use everything above
};

// Whether `host` has only letters, digits and the characters of names and addresses. Other
// characters have a special meaning in the library's settings.
bool IsHost(const std::string& host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == ':' || c == '[' || c == ']';
  });
}

// The first address of the list in digits, because the library would resolve some names
// differently. It is an IPv4 address unless the host is written as IPv6.
std::string Numeric(const HostPort& address, const addrinfo* list) {
  const int family = address.host.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const addrinfo* chosen = list;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != family) continue;
    chosen = entry;
    break;
  }
  char digits[INET6_ADDRSTRLEN] = {};
  if (chosen->ai_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(chosen->ai_addr)->sin6_addr, digits,
              sizeof(digits));
    return absl::StrCat("[", digits, "]:", address.port);
  }
  inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(chosen->ai_addr)->sin_addr, digits,
            sizeof(digits));
  return absl::StrCat(digits, ":", address.port);
}

absl::Status CannotBind(const std::string& listen, absl::string_view reason) {
  return absl::UnavailableError(
      absl::StrCat("metrics_listen: cannot bind ", listen,
                   " (in use, not this machine's, or not permitted): ", reason));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& listen, std::vector<MetricSource> sources, bool allow_plaintext) {
  const std::optional<HostPort> parsed = ParseHostPort(listen);
  if (!parsed.has_value() || !IsHost(parsed->host)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "metrics_listen: got \"", listen, "\", expected host:port with a port from 0 to 65535"));
  }
  const absl::StatusOr<AddressList> found = Resolve(*parsed);
  if (!found.ok()) return CannotBind(listen, found.status().message());
  if (!allow_plaintext && !AllLoopback(found->get())) {
    return absl::InvalidArgumentError(
        absl::StrCat("metrics_listen: got ", listen,
                     " in plaintext, expected a loopback address, --metrics_allow_plaintext, or "
                     "--allow_plaintext"));
  }
  try {
    return std::make_unique<PrometheusServer>(Numeric(*parsed, found->get()), parsed->text,
                                              std::make_shared<Sources>(std::move(sources)));
  } catch (const std::exception& error) {  // only the library throws
    return CannotBind(listen, error.what());
  }
}

}  // namespace recycling
