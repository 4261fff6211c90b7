#include "gateway/speculation/drafting_rules.h"

#include <algorithm>
#include <limits>

#include "gateway/speculation/step_prices.h"

namespace recycling::gateway {

TreeLimits LimitsOf(int node_budget, int max_tree_nodes, std::uint32_t tokens_allowed) {
  constexpr std::uint32_t kDeepest = std::numeric_limits<int>::max();
  return {.nodes = std::min(node_budget, max_tree_nodes),
          .depth = static_cast<int>(std::min(tokens_allowed - 1, kDeepest))};
}

bool HoldsBack(bool resting, const Observation& unheard) {
  const std::size_t rows = unheard.tokens.size();
  return resting && unheard.accepted_path.size() == rows && rows < kHeldRows;
}

absl::Duration StepMeasures::plain_overhead() const {
  return std::max(absl::ZeroDuration(), overhead - draft);
}

StepVerdict JudgeStep(const StepMeasures& measures, const StepOverhead& overhead,
                      std::span<const PassCost> costs, const OtherLoad& others) {
  const absl::Duration plain_beyond = overhead.plain.value_or(measures.plain_overhead());
  if (others.tokens > 0) {
    const absl::Duration added =
        DraftCost(costs, others, measures.drafted) +
        std::max(absl::ZeroDuration(), overhead.drafted.value_or(plain_beyond) - plain_beyond);
    return {.took = measures.step, .plain = std::max(measures.step - added, measures.step / 8)};
  }
  const absl::Duration queued = std::min(measures.queue, measures.verify);
  return {.took = std::max(absl::ZeroDuration(), measures.step - queued),
          .plain = PassCostAt(costs, 1) + plain_beyond};
}

}  // namespace recycling::gateway
