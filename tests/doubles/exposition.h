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
  // Keys are the name and the labels, as in `name{a="x",b="y"}`. The labels are sorted by name.
  std::map<std::string, double> samples;

  // The value of a sample. Fails the test and returns 0 if there is none.
  double operator[](const std::string& sample) const;
  // The names of all samples, without labels. A histogram or summary has several, such as h_bucket
  // and h_count.
  std::set<std::string> Names() const;
};

// Parses the text more strictly than a Prometheus server. Returns InvalidArgument with the line if
//  - the line does not have the format,
//  - a sample has no help and type before it, or does not follow its family,
//  - a series occurs twice,
//  - a counter is negative, or its name does not end in _total,
//  - the buckets of a histogram do not ascend, or do not end with +Inf and the count.
absl::StatusOr<Exposition> ParseExposition(const std::string& text);

// Gets "/metrics" from `address` and parses the answer.
absl::StatusOr<Exposition> Scrape(const std::string& address);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_EXPOSITION_H_
