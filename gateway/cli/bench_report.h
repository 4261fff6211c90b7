// What bench measured: comparing outputs, adding up, the table. No I/O.
#ifndef RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_
#define RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// One generation.
struct Output {
  std::string text;
  std::vector<std::uint32_t> token_ids;
  gateway::v1::Final final;
};

// Where two outputs part, or nothing if texts, token ids and finish reasons are equal: "token 31 is
// 5, expected 7; ...".
std::optional<std::string> Difference(const Output& got, const Output& expected);

// Sums over runs of one mode.
struct Totals {
  std::uint64_t runs = 0;
  std::uint64_t tokens = 0;
  gateway::v1::Timings timings;
  gateway::v1::SpeculationStats speculation;  // counts only; rates are computed from them
  gateway::v1::StepDurations steps;

  void Add(const gateway::v1::Final& final);

  // All are 0 where there is nothing to divide by.
  double DecodeTokensPerSecond() const;   // tokens / time from the first step to the last
  double OverallTokensPerSecond() const;  // tokens / time from request to final message
  double MeanAcceptedTokens() const;      // tokens / steps
  double AcceptanceRate() const;          // accepted / drafted tokens
  // Share of the decode time, percent: inside the drafter, inside the verifier, on the way to them,
  // and everything else.
  double DraftPercent() const;
  double VerifyPercent() const;
  double WirePercent() const;
  double RestPercent() const;
  // [depth - 1] share of drafted steps whose accepted path reached the depth, percent.
  std::vector<double> AcceptedPerDepthPercent() const;
  std::uint64_t Fallbacks() const;
};

// Adds the counts of equal buckets.
void AddHistogram(const gateway::v1::DurationHistogram& from, gateway::v1::DurationHistogram* to);

std::uint64_t CountOf(const gateway::v1::DurationHistogram& histogram);

// The duration that a share `q` of [0, 1] of all is below, linear inside a bucket; 0 of none.
double QuantileMicros(const gateway::v1::DurationHistogram& histogram, double q);

// The middle of what was measured, and between which two of the values the true median lies.
struct Median {
  std::size_t values = 0;
  double median = 0;
  // At least 95 % confidence, by order statistics: no assumption but that the values are
  // independent. Absent below 6 values, where no two of them give that confidence.
  std::optional<std::pair<double, double>> interval;
};
Median MedianOf(std::vector<double> values);

struct BenchSummary {
  std::vector<Totals> plain_by_prompt;     // [prompts]
  std::vector<Totals> recycled_by_prompt;  // [prompts]
  Totals plain;
  Totals recycled;
  // Decode tokens per second of each pair of runs, plain first. [pairs]
  std::vector<std::pair<double, double>> pairs;
  std::uint64_t different = 0;  // runs whose output was not the prompt's first plain one
};

// Decode tokens per second, recycled over plain; 0 without plain ones.
double Ratio(const Totals& plain, const Totals& recycled);

// Recycled over plain, pair by pair.
Median PairRatio(const BenchSummary& summary);
// Decode tokens per second of one side of the pairs.
Median PlainMedian(const BenchSummary& summary);
Median RecycledMedian(const BenchSummary& summary);

// The header and one row per prompt, then totals, medians of pairs, and where the time went.
std::string BenchTable(const BenchSummary& summary);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_
