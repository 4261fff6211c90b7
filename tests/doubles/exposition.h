#ifndef RECYCLING_TESTS_DOUBLES_EXPOSITION_H_
#define RECYCLING_TESTS_DOUBLES_EXPOSITION_H_

#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace recycling::doubles {

// The answer of a metrics endpoint, in Prometheus' text format 0.0.4.
struct Exposition {
  std::map<std::string, std::string> types;  // "counter", "gauge", ... by family
  // By name and labels, `name{a="x",b="y"}` with the labels in the order of their names.
  std::map<std::string, double> samples;

  // The value of a sample. Fails the test and returns 0 if there is none.
  double operator[](const std::string& sample) const;
  // Names of samples: families, and of histograms and summaries what they are made of.
  std::set<std::string> Names() const;
};

// Parses the text more strictly than a Prometheus server. InvalidArgument, naming the line, for:
// text that is not of the format; a sample without help and type before it, or not beside its
// family; a series that occurs twice; a counter that is negative or whose name does not end in
// _total; a histogram whose buckets do not ascend, or do not end with +Inf and its count.
absl::StatusOr<Exposition> ParseExposition(const std::string& text);

// HttpGet and ParseExposition of "/metrics".
absl::StatusOr<Exposition> Scrape(const std::string& address);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_EXPOSITION_H_
