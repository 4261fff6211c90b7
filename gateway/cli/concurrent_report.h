// What a concurrent run of bench measured, as its clients saw it: adding up, the table. No I/O.
#ifndef RECYCLING_GATEWAY_CLI_CONCURRENT_REPORT_H_
#define RECYCLING_GATEWAY_CLI_CONCURRENT_REPORT_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gateway/cli/bench_report.h"

namespace recycling::cli {

// A message that brought tokens.
struct Arrival {
  double micros = 0;         // since the request was sent
  std::uint32_t tokens = 0;  // at least 1
};

// All prompts once (or more often, see bench_concurrent.h), in one mode.
struct ConcurrentRound {
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;
  double wall_micros = 0;  // from the first request to the end of the last
  // Of each request that gave a token.
  std::vector<double> first_token_micros;
  // Between messages, and between tokens: a message of m tokens after a gap of g counts as m gaps
  // of g / m. What comes first counts in neither.
  std::vector<double> between_messages_micros;
  std::vector<double> inter_token_micros;

  // One request; its arrivals in order.
  void Add(std::span<const Arrival> arrivals);
  // Another round of the same mode.
  void Add(const ConcurrentRound& other);

  double TokensPerSecond() const;  // of all clients together; 0 if no time passed
};

// The value that a share `q` of [0, 1] of all is at most, linear between the two nearest; 0 of
// none.
double Quantile(std::vector<double> values, double q);

struct ConcurrentSummary {
  int concurrency = 0;
  ConcurrentRound plain;        // sums
  ConcurrentRound recycled;     // sums
  std::vector<double> ratios;   // recycled over plain tokens per second, round by round
  std::uint64_t different = 0;  // outputs that were not the prompt's first one
};

std::string ConcurrentTable(const ConcurrentSummary& summary);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_CONCURRENT_REPORT_H_
