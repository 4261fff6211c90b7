// bench --concurrency: many clients at once.
#ifndef RECYCLING_GATEWAY_CLI_BENCH_CONCURRENT_H_
#define RECYCLING_GATEWAY_CLI_BENCH_CONCURRENT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/cli/concurrent_report.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

namespace recycling::cli {

struct ConcurrentOptions {
  int concurrency = 1;  // clients, at least 1
  int rounds = 1;
  absl::Duration timeout;  // of each request; 0: none
  // Told after each half of a round: its mode ("plain", "recycled"), which round, what was
  // measured. Its error ends the run.
  std::function<absl::Status(const std::string&, int, const ConcurrentRound&)> on_round;
};

// In each round every prompt is decoded plainly and as `request` says, one way after the other and
// each first in every other round; clients take the next prompt as they are done. With fewer
// prompts than twice the clients the prompts are gone through again, so that most of the time all
// clients are busy. The error of the first request that fails.
absl::StatusOr<ConcurrentSummary> RunConcurrently(gateway::v1::GatewayService::StubInterface& stub,
                                                  const gateway::v1::GenerateRequest& request,
                                                  const std::vector<std::string>& prompts,
                                                  const ConcurrentOptions& options);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_BENCH_CONCURRENT_H_
