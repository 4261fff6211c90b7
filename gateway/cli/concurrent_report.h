// Adds up the measurements of the clients of bench --concurrency, and makes the table. No I/O.
#ifndef RECYCLING_GATEWAY_CLI_CONCURRENT_REPORT_H_
#define RECYCLING_GATEWAY_CLI_CONCURRENT_REPORT_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gateway/cli/bench_report.h"

namespace recycling::cli {

// The arrival of a message with tokens.
struct Arrival {
  double micros = 0;         // since the request was sent
  std::uint32_t tokens = 0;  // at least 1
};

// All prompts in one mode, each once or more often (see bench_concurrent.h).
struct ConcurrentRound {
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;
  double wall_micros = 0;  // from the first request to the end of the last
  // One value for each request that gave a token.
  std::vector<double> first_token_micros;
  // Gaps between messages, and gaps between tokens. A message of m tokens after a gap g counts as m
  // gaps of g / m between tokens. The first message of a request counts in neither.
  std::vector<double> between_messages_micros;
  std::vector<double> inter_token_micros;

  // Adds one request, whose arrivals are in order.
  void Add(std::span<const Arrival> arrivals);
  // Adds another round of the same mode.
  void Add(const ConcurrentRound& other);

  double TokensPerSecond() const;  // of all clients together; 0 if no time passed
};

// The value that a share `q` in [0, 1] of all values does not exceed; 0 if there are none. It is
// interpolated linearly between the two nearest values.
double Quantile(std::vector<double> values, double q);

struct ConcurrentSummary {
  int concurrency = 0;
  ConcurrentRound plain;        // sums
  ConcurrentRound recycled;     // sums
  std::vector<double> ratios;   // recycled over plain tokens per second, round by round
  std::uint64_t different = 0;  // outputs that were not equal to the prompt's first one
};

std::string ConcurrentTable(const ConcurrentSummary& summary);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_CONCURRENT_REPORT_H_
