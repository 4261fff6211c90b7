// The metrics of a service, in the terms of Prometheus but without its library. At each scrape the
// parts of a service add their numbers, and metrics_server.h serves them.
#ifndef RECYCLING_COMMON_BASE_METRICS_H_
#define RECYCLING_COMMON_BASE_METRICS_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/duration_histogram.h"

namespace recycling {

// Names and values of labels. A value comes from a fixed, short list. It is never the name of a
// request, a tenant or an address, because there is no bound on the number of those.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Bounds of a histogram's buckets: 2^first, 2^(first + 1), ..., 2^last microseconds. These are also
// bounds of buckets in DurationHistogram, so the counts are exact.
struct DurationBounds {
  int first = 0;
  int last = 0;
};
inline constexpr DurationBounds kStepBounds{4, 24};      // 16 us to 16.8 s
inline constexpr DurationBounds kRequestBounds{10, 31};  // 1 ms to 36 min

// The metrics at one moment. All samples of one name form a family. Help and type of a family are
// those of its first sample. Its samples differ in their labels. Threads: one.
class MetricSet {
 public:
  enum class Type { kCounter, kGauge, kHistogram };

  struct Histogram {
    struct Bucket {
      double upper_bound = 0;   // seconds
      std::uint64_t count = 0;  // values below the bound
    };
    std::vector<Bucket> buckets;
    std::uint64_t count = 0;
    double sum = 0;  // seconds
  };
  struct Sample {
    MetricLabels labels;
    double value = 0;     // of a counter or gauge
    Histogram histogram;  // of a histogram
  };
  struct Family {
    std::string name;
    std::string help;
    Type type = Type::kGauge;
    std::vector<Sample> samples;
  };

  // A number that only grows until the process restarts; its name ends in "_total".
  void Counter(std::string_view name, std::string_view help, double value,
               MetricLabels labels = {});
  void Counter(std::string_view name, std::string_view help, std::uint64_t value,
               MetricLabels labels = {}) {
    Counter(name, help, static_cast<double>(value), std::move(labels));
  }

  void Gauge(std::string_view name, std::string_view help, double value, MetricLabels labels = {});

  // A histogram in seconds. Its name ends in "_seconds". `buckets` and `sum_micros` are those of a
  // DurationHistogram.
  void Durations(std::string_view name, std::string_view help,
                 std::span<const DurationHistogram::Bucket> buckets, std::uint64_t sum_micros,
                 DurationBounds bounds, MetricLabels labels = {});
  void Durations(std::string_view name, std::string_view help, const DurationHistogram& durations,
                 DurationBounds bounds, MetricLabels labels = {}) {
    Durations(name, help, durations.Buckets(), durations.sum_micros(), bounds, std::move(labels));
  }

  const std::vector<Family>& families() const { return families_; }

 private:
  Sample& Add(std::string_view name, std::string_view help, Type type, MetricLabels labels);

  std::vector<Family> families_;  // in the order of their first samples
};

// Adds the metrics of one part of a service. The metrics server calls it on its own threads, on
// several at once too, until the server is destroyed. It must not block for long.
using MetricSource = std::function<void(MetricSet*)>;

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_METRICS_H_
