#include "gateway/gateway_flags.h"

#include "absl/flags/flag.h"
#include "absl/time/time.h"

ABSL_FLAG(int, max_requests, 64,
          "Requests that may run at once, 1 to 4096; one more is refused. Each takes a thread.");
ABSL_FLAG(int, draft_deadline_ms, 20,
          "Longest wait for one draft, milliseconds, 1 to 3600000. A step whose draft is late goes "
          "without it.");
ABSL_FLAG(int, node_budget, 80,
          "Most drafted nodes a step where a request does not say, 0 to 1048576; cut to the "
          "verifier's limit.");

namespace recycling::gateway {

GatewayOptions OptionsFromFlags() {
  GatewayOptions options;
  options.max_requests = absl::GetFlag(FLAGS_max_requests);
  options.draft_deadline = absl::Milliseconds(absl::GetFlag(FLAGS_draft_deadline_ms));
  options.node_budget = absl::GetFlag(FLAGS_node_budget);
  return options;
}

}  // namespace recycling::gateway
