// Compares the outputs of bench, adds up its measurements and makes its table. No I/O.
#ifndef RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_
#define RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// The output of one request.
struct Output {
  std::string text;
  std::vector<std::uint32_t> token_ids;
  gateway::v1::Final final;
};

// The first difference between two outputs, for example "token 31 is 5, expected 7; ..."; nothing
// if texts, token ids and finish reasons are equal.
std::optional<std::string> Difference(const Output& got, const Output& expected);

// Sums over runs of one mode.
struct Totals {
  std::uint64_t runs = 0;
  std::uint64_t tokens = 0;
  gateway::v1::Timings timings;
  gateway::v1::SpeculationStats speculation;  // counts only; rates are computed from them
  gateway::v1::StepDurations steps;

  void Add(const gateway::v1::Final& final);

  // Each is 0 if its divisor is 0.
  double DecodeTokensPerSecond() const;   // tokens / time from the first step to the last
  double OverallTokensPerSecond() const;  // tokens / time from request to final message
  double MeanAcceptedTokens() const;      // tokens / steps
  double AcceptanceRate() const;          // accepted / drafted tokens
  // Shares of the decode time, percent: inside the drafter, inside the verifier, on the wire to
  // them, and the rest.
  double DraftPercent() const;
  double VerifyPercent() const;
  double WirePercent() const;
  double RestPercent() const;
  // At index depth - 1: the share of drafted steps whose accepted path reached that depth, percent.
  std::vector<double> AcceptedPerDepthPercent() const;
  std::uint64_t Fallbacks() const;
};

// Adds the count of each bucket of one histogram to the same bucket of the other.
void AddHistogram(const gateway::v1::DurationHistogram& from, gateway::v1::DurationHistogram* to);

std::uint64_t CountOf(const gateway::v1::DurationHistogram& histogram);

// The duration below which a share `q` in [0, 1] of all durations lies; 0 if there are none. It is
// interpolated linearly inside a bucket.
double QuantileMicros(const gateway::v1::DurationHistogram& histogram, double q);

// The median of the measured values, and two of these values between which the true median lies.
struct Median {
  std::size_t values = 0;
  double median = 0;
  // The true median lies between these two values with a confidence of at least 95 %. They are
  // order statistics, so this assumes only that the values are independent. Absent below 6 values,
  // which are too few for that confidence.
  std::optional<std::pair<double, double>> interval;
};
Median MedianOf(std::vector<double> values);

struct BenchSummary {
  std::vector<Totals> plain_by_prompt;     // [prompts]
  std::vector<Totals> recycled_by_prompt;  // [prompts]
  Totals plain;
  Totals recycled;
  // Plain and recycled totals of each category that prompts of the file have.
  std::map<std::string, std::pair<Totals, Totals>> by_category;
  // Decode tokens per second of each pair of runs, plain first. [pairs]
  std::vector<std::pair<double, double>> pairs;
  std::uint64_t different = 0;  // runs whose output was not equal to the prompt's first one
};

// The ratio of decode tokens per second, recycled to plain; 0 without plain runs.
double Ratio(const Totals& plain, const Totals& recycled);

// The median of the ratios of recycled to plain over all pairs.
Median PairRatio(const BenchSummary& summary);
// The median of one mode's decode tokens per second over all pairs.
Median PlainMedian(const BenchSummary& summary);
Median RecycledMedian(const BenchSummary& summary);

// The table: a header, one row per prompt, totals, medians of pairs and shares of the time.
std::string BenchTable(const BenchSummary& summary);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_
