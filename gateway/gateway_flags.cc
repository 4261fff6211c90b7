#include "gateway/gateway_flags.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/marshalling.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace recycling::gateway {
namespace {

constexpr std::pair<absl::string_view, Speculation> kSpeculations[] = {
    {"auto", Speculation::kAuto}, {"fixed", Speculation::kFixed}, {"off", Speculation::kOff}};

struct SpeculationFlag {
  Speculation value = Speculation::kAuto;
};
bool AbslParseFlag(absl::string_view text, SpeculationFlag* flag, std::string* error);
std::string AbslUnparseFlag(const SpeculationFlag& flag);

}  // namespace
}  // namespace recycling::gateway

ABSL_FLAG(int, max_requests, 64,
          "Requests that may run at once, 1 to 4096, each on a thread; never more than the ready "
          "verifiers have room for. Others wait.");
ABSL_FLAG(int, max_queue, 256,
          "Requests that may wait for their turn, 0 to 65536; one more is refused at once.");
ABSL_FLAG(
    absl::Duration, queue_timeout, absl::Seconds(30),
    "Longest wait for a turn, and for a verifier while none is ready; a request's own deadline may "
    "be earlier.");
ABSL_FLAG(
    int, tenant_concurrency, 0,
    "Requests of one tenant that may run at once, where its key's line gives no limits; others "
    "wait. 0: no bound of its own.");
ABSL_FLAG(
    double, tenant_rate, 0,
    "Requests a second of one tenant, where its key's line gives no limits; more are refused. "
    "0: no bound.");
ABSL_FLAG(double, tenant_burst, 0,
          "Requests of one tenant that may come at once after a pause, with --tenant_rate. 0: as "
          "many as in a second.");
ABSL_FLAG(absl::Duration, slow_reader_timeout, absl::Seconds(30),
          "Longest that a client may leave a message untaken, and the rest of an output that has "
          "ended; then its call is cancelled.");
ABSL_FLAG(int, max_unread_outputs, 256,
          "Outputs that have ended and are not read to the end; of more, the stalest is dropped.");
ABSL_FLAG(std::uint32_t, max_unread_mib, 256,
          "Memory for outputs that wait to be read, MiB; beyond it the stalest is dropped.");
ABSL_FLAG(
    std::uint32_t, default_max_tokens, 512,
    "Most tokens to write where a request does not say; cut to what the context has room for. "
    "0: what the context has room for.");
ABSL_FLAG(std::uint32_t, max_prompt_bytes, 1 << 20, "Longest prompt that is text, bytes.");
ABSL_FLAG(std::uint32_t, max_prompt_tokens, 0,
          "Longest prompt, tokens; 0: what the model's context has room for.");
ABSL_FLAG(int, draft_deadline_ms, 20,
          "Longest wait for one draft, milliseconds, 1 to 3600000. A step whose draft is late goes "
          "without it.");
ABSL_FLAG(int, node_budget, 80,
          "Most drafted nodes a step where a request does not say, 0 to 1048576; cut to the "
          "verifier's limit.");
ABSL_FLAG(
    int, max_moves, 3,
    "Verifiers that a request may lose in a row without a token in between and still be moved "
    "to another one, 0 to 1000. It may be the request that kills them.");
ABSL_FLAG(
    absl::Duration, failover_timeout, absl::Minutes(1),
    "How long a request without a deadline waits for a verifier that takes it over, up to 24h. "
    "One with a deadline waits until then.");
ABSL_FLAG(recycling::gateway::SpeculationFlag, speculation, {},
          "Where a request does not say: auto drafts the tree that pays, while one does; fixed the "
          "drafter's whole template at every step; off decodes plainly.");

namespace recycling::gateway {

namespace {

bool AbslParseFlag(absl::string_view text, SpeculationFlag* flag, std::string* error) {
  for (const auto& [name, value] : kSpeculations) {
    if (text != name) continue;
    flag->value = value;
    return true;
  }
  *error = "expected auto, fixed or off";
  return false;
}

std::string AbslUnparseFlag(const SpeculationFlag& flag) {
  for (const auto& [name, value] : kSpeculations) {
    if (value == flag.value) return std::string(name);
  }
  return "";
}

}  // namespace

GatewayOptions OptionsFromFlags() {
  GatewayOptions options;
  options.max_requests = absl::GetFlag(FLAGS_max_requests);
  options.admission.max_queue = absl::GetFlag(FLAGS_max_queue);
  options.admission.queue_timeout = absl::GetFlag(FLAGS_queue_timeout);
  options.tenant_limits = {.concurrency = absl::GetFlag(FLAGS_tenant_concurrency),
                           .rate = absl::GetFlag(FLAGS_tenant_rate),
                           .burst = absl::GetFlag(FLAGS_tenant_burst)};
  options.readers.timeout = absl::GetFlag(FLAGS_slow_reader_timeout);
  options.readers.max_outputs = absl::GetFlag(FLAGS_max_unread_outputs);
  options.readers.max_bytes = std::uint64_t{absl::GetFlag(FLAGS_max_unread_mib)} << 20;
  options.defaults.max_tokens = absl::GetFlag(FLAGS_default_max_tokens);
  options.defaults.max_prompt_bytes = absl::GetFlag(FLAGS_max_prompt_bytes);
  options.defaults.max_prompt_tokens = absl::GetFlag(FLAGS_max_prompt_tokens);
  options.draft_deadline = absl::Milliseconds(absl::GetFlag(FLAGS_draft_deadline_ms));
  options.defaults.speculation = absl::GetFlag(FLAGS_speculation).value;
  options.defaults.node_budget = absl::GetFlag(FLAGS_node_budget);
  options.moves.max_moves = absl::GetFlag(FLAGS_max_moves);
  options.moves.patience = absl::GetFlag(FLAGS_failover_timeout);
  return options;
}

}  // namespace recycling::gateway
