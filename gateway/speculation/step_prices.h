// Computes the costs of steps at the gateway from the costs of passes at the verifier. Pure
// functions.
#ifndef RECYCLING_GATEWAY_SPECULATION_STEP_PRICES_H_
#define RECYCLING_GATEWAY_SPECULATION_STEP_PRICES_H_

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "gateway/clients/drafter_client.h"
#include "gateway/clients/verifier_client.h"

namespace recycling::gateway {

inline constexpr std::size_t kMaxStepCosts = 64;

// The duration of a pass of `rows` rows. It is linear between the points. Before the first point,
// it is the cost of the first point. Beyond the last point, it continues the line through the last
// two points, but rises by at least 0.4 times the mean cost of a row at the last point. Otherwise
// two points of equal cost, which a noisy machine measures now and then, would make all further
// nodes free. Returns zero if there are no points. Requires points as in Load.pass_costs.
absl::Duration PassCostAt(std::span<const PassCost> costs, double rows);

// The cost of a step by its number of nodes, for a sequence that shares its passes with `others`. A
// pass has the root, others.rows other rows, and the nodes. In addition to its pass, a step takes
// the longer of `overhead` and others.passes, because the overhead and the passes of others run at
// the same time. The first entry is for 0 nodes. The last entry is the first one for `max_nodes`
// nodes or more. There are at most kMaxStepCosts entries. Empty if `costs` is empty.
std::vector<StepCost> PriceSteps(std::span<const PassCost> costs, absl::Duration overhead,
                                 const OtherLoad& others, int max_nodes);

// The cost of a step without a draft, as the first entry of PriceSteps. Absent if `costs` is empty.
std::optional<absl::Duration> PlainStepCost(std::span<const PassCost> costs,
                                            absl::Duration overhead, const OtherLoad& others);

// The time that one more row adds to a pass of 1 + others.rows rows, as a fraction of the duration
// of that pass. Absent if `costs` is empty.
std::optional<double> RowCost(std::span<const PassCost> costs, const OtherLoad& others);

// The time that `nodes` draft nodes add to a pass that has others.rows rows of other sequences.
absl::Duration DraftCost(std::span<const PassCost> costs, const OtherLoad& others, int nodes);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_STEP_PRICES_H_
