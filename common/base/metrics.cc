#include "common/base/metrics.h"

#include <algorithm>

namespace recycling {

MetricSet::Sample& MetricSet::Add(std::string_view name, std::string_view help, Type type,
                                  MetricLabels labels) {
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const Family& known) { return known.name == name; });
  if (family == families_.end()) {
    families_.push_back(
        {.name = std::string(name), .help = std::string(help), .type = type, .samples = {}});
    family = families_.end() - 1;
  }
  return family->samples.emplace_back(Sample{.labels = std::move(labels)});
}

void MetricSet::Counter(std::string_view name, std::string_view help, double value,
                        MetricLabels labels) {
  Add(name, help, Type::kCounter, std::move(labels)).value = value;
}

void MetricSet::Gauge(std::string_view name, std::string_view help, double value,
                      MetricLabels labels) {
  Add(name, help, Type::kGauge, std::move(labels)).value = value;
}

void MetricSet::Durations(std::string_view name, std::string_view help,
                          std::span<const DurationHistogram::Bucket> buckets,
                          std::uint64_t sum_micros, DurationBounds bounds, MetricLabels labels) {
  Histogram& histogram = Add(name, help, Type::kHistogram, std::move(labels)).histogram;
  auto bucket = buckets.begin();
  for (int power = bounds.first; power <= bounds.last; ++power) {
    const std::uint64_t bound = std::uint64_t{1} << power;
    for (; bucket != buckets.end() && bucket->to <= bound; ++bucket) {
      histogram.count += bucket->count;
    }
    histogram.buckets.push_back({static_cast<double>(bound) / 1e6, histogram.count});
  }
  for (; bucket != buckets.end(); ++bucket) histogram.count += bucket->count;
  histogram.sum = static_cast<double>(sum_micros) / 1e6;
}

}  // namespace recycling
