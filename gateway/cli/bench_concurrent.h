// bench --concurrency: many clients at the same time.
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
  absl::Duration timeout;  // of each request; 0: no timeout
  // Called after each half of a round with its mode ("plain", "recycled"), the number of the round
  // and its measurements. An error that it returns ends the run.
  std::function<absl::Status(const std::string&, int, const ConcurrentRound&)> on_round;
};

// Each round decodes all prompts in two modes: plainly, and as `request` says. All prompts are
// decoded in one mode and then in the other; each mode goes first in every other round. A client
// that has ended its prompt takes the next one. If there are fewer prompts than 2 * concurrency,
// they are used several times, so that all clients are busy most of the time. Returns the error of
// the first request that fails.
absl::StatusOr<ConcurrentSummary> RunConcurrently(gateway::v1::GatewayService::StubInterface& stub,
                                                  const gateway::v1::GenerateRequest& request,
                                                  const std::vector<std::string>& prompts,
                                                  const ConcurrentOptions& options);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_BENCH_CONCURRENT_H_
