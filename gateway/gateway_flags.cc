#include "gateway/gateway_flags.h"

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
          "Requests that may run at once, 1 to 4096; one more is refused. Each takes a thread.");
ABSL_FLAG(int, draft_deadline_ms, 20,
          "Longest wait for one draft, milliseconds, 1 to 3600000. A step whose draft is late goes "
          "without it.");
ABSL_FLAG(int, node_budget, 80,
          "Most drafted nodes a step where a request does not say, 0 to 1048576; cut to the "
          "verifier's limit.");
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
  options.draft_deadline = absl::Milliseconds(absl::GetFlag(FLAGS_draft_deadline_ms));
  options.defaults.speculation = absl::GetFlag(FLAGS_speculation).value;
  options.defaults.node_budget = absl::GetFlag(FLAGS_node_budget);
  return options;
}

}  // namespace recycling::gateway
