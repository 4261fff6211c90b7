#include "gateway/gateway_flags.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/auth/api_keys.h"
#include "common/base/status_macros.h"
#include "common/program/choice_flag.h"

namespace recycling::gateway {
namespace {

constexpr std::pair<absl::string_view, Speculation> kSpeculations[] = {
    {"auto", Speculation::kAuto}, {"fixed", Speculation::kFixed}, {"off", Speculation::kOff}};

}  // namespace
}  // namespace recycling::gateway

ABSL_FLAG(int, max_requests, 64,
          "Requests that may run at once, 1 to 4096, each on a thread; never more than the ready "
          "verifiers have room for. Others wait.");
ABSL_FLAG(int, max_queue, 256,
          "Requests that may wait for their turn, 0 to 65536; one more is refused at once.");
ABSL_FLAG(
    absl::Duration, queue_timeout, absl::Seconds(30),
    "Longest wait for a turn, and for a verifier while none is ready. A request's own deadline "
    "may be earlier.");
ABSL_FLAG(
    std::string, tenant_limits, "",
    "What each tenant may have whose key's line gives no limits, as in such a line: "
    "\"concurrency=4 rate=5 burst=20\", each part optional. concurrency: requests that run at "
    "once, others wait. rate: requests a second, more are refused. burst: requests that may "
    "come at once after a pause; without it as many as in a second. Empty: no limits.");
ABSL_FLAG(
    std::uint32_t, default_max_tokens, 512,
    "Most tokens to write for requests that do not say, cut to what the context has room for. "
    "0: what the context has room for.");
ABSL_FLAG(int, draft_deadline_ms, 20,
          "Longest wait for a draft, milliseconds, 1 to 3600000. A step whose draft is late goes "
          "without it.");
ABSL_FLAG(absl::Duration, failover_timeout, absl::Minutes(1),
          "How long a request without a deadline waits for a verifier that takes it over when its "
          "own is lost, up to 24h. One with a deadline waits until then.");
ABSL_FLAG(recycling::ChoiceFlag<recycling::gateway::kSpeculations>, speculation,
          recycling::gateway::Speculation::kAuto,
          "What is drafted for requests that do not say. auto: the tree that pays, while one does; "
          "fixed: the drafter's whole template at every step; off: nothing.");

namespace recycling::gateway {

std::vector<FlagGroup> GatewayFlags() {
  return {GroupOf("Requests", FLAGS_max_requests, FLAGS_max_queue, FLAGS_queue_timeout,
                  FLAGS_tenant_limits, FLAGS_failover_timeout, FLAGS_default_max_tokens),
          GroupOf("Drafting", FLAGS_speculation, FLAGS_draft_deadline_ms)};
}

absl::StatusOr<GatewayOptions> OptionsFromFlags() {
  GatewayOptions options;
  options.max_requests = absl::GetFlag(FLAGS_max_requests);
  options.admission.max_queue = absl::GetFlag(FLAGS_max_queue);
  options.admission.queue_timeout = absl::GetFlag(FLAGS_queue_timeout);
  auto limits = ParseTenantLimits(absl::GetFlag(FLAGS_tenant_limits));
  if (!limits.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--tenant_limits: ", limits.status().message()));
  }
  options.tenant_limits = *limits;
  options.defaults.max_tokens = absl::GetFlag(FLAGS_default_max_tokens);
  options.draft_deadline = absl::Milliseconds(absl::GetFlag(FLAGS_draft_deadline_ms));
  options.defaults.speculation = absl::GetFlag(FLAGS_speculation).value();
  options.moves.patience = absl::GetFlag(FLAGS_failover_timeout);
  return options;
}

std::uint64_t UnreadBytes(const ConnectionLimits& limits) {
  return static_cast<std::uint64_t>(limits.max_memory) / 2;
}

}  // namespace recycling::gateway
