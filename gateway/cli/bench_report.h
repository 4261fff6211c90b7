// What bench measured: comparing outputs, adding up, the table. No I/O.
#ifndef RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_
#define RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
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

  void Add(const gateway::v1::Final& final);

  // All are 0 where there is nothing to divide by.
  double DecodeTokensPerSecond() const;   // tokens / time from the first step to the last
  double OverallTokensPerSecond() const;  // tokens / time from request to final message
  double MeanAcceptedTokens() const;      // tokens / steps
  double AcceptanceRate() const;          // accepted / drafted tokens
  // Share of the decode time, percent.
  double DraftPercent() const;
  double VerifyPercent() const;
  double RestPercent() const;
  // [depth - 1] share of drafted steps whose accepted path reached the depth, percent.
  std::vector<double> AcceptedPerDepthPercent() const;
  std::uint64_t Fallbacks() const;
};

struct BenchSummary {
  std::vector<Totals> plain_by_prompt;     // [prompts]
  std::vector<Totals> recycled_by_prompt;  // [prompts]
  Totals plain;
  Totals recycled;
  std::uint64_t different = 0;  // runs whose output was not the prompt's first plain one
};

// Decode tokens per second, recycled over plain; 0 without plain ones.
double Ratio(const Totals& plain, const Totals& recycled);

// The header and one row per prompt, then the totals.
std::string BenchTable(const BenchSummary& summary);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_BENCH_REPORT_H_
