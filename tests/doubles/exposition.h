#ifndef RECYCLING_TESTS_DOUBLES_EXPOSITION_H_
#define RECYCLING_TESTS_DOUBLES_EXPOSITION_H_

#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace recycling::doubles {

// What a metrics endpoint said, in Prometheus' text format 0.0.4.
struct Exposition {
  std::map<std::string, std::string> types;  // "counter", "gauge", ... by family
  // By name and labels, `name{a="x",b="y"}` with the labels in the order of their names.
  std::map<std::string, double> samples;

  // 0 and a failed test if there is none.
  double operator[](const std::string& sample) const;
  // Names of samples: families, and of histograms and summaries what they are made of.
  std::set<std::string> Names() const;
};

// Stricter than a Prometheus server. InvalidArgument, naming the line, for anything that is not of
// the format; a sample without help and type before it, or apart from its family; a series that
// comes twice; a counter that does not end in _total or is negative; a histogram whose buckets do
// not ascend or do not end in +Inf with its count.
absl::StatusOr<Exposition> ParseExposition(const std::string& text);

// HttpGet and ParseExposition of "/metrics".
absl::StatusOr<Exposition> Scrape(const std::string& address);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_EXPOSITION_H_
