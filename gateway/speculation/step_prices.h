// From what passes cost at the verifier to what steps cost at the gateway. Pure.
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

inline constexpr std::size_t kMostStepCosts = 64;

// What a pass of `rows` rows costs: linear between the points, on from the last two behind them,
// the first one's before it. Zero without points. Requires points as SequenceOpened has them.
absl::Duration PassCostAt(std::span<const PassCost> costs, double rows);

// Cost of a step by its number of nodes, for a sequence whose passes do `others` for others: a pass
// has the root and others.rows more, and a step takes `overhead` beyond its pass or, if that is
// longer, the passes of others in between, behind which its overhead is hidden. From 0 to the first
// number at or above `max_nodes`, at most kMostStepCosts entries. Empty without points.
std::vector<StepCost> PriceSteps(std::span<const PassCost> costs, absl::Duration overhead,
                                 const OtherLoad& others, int max_nodes);

// What one more row adds to a pass of 1 + others.rows rows, as a share of that pass. Absent without
// points.
std::optional<double> RowCost(std::span<const PassCost> costs, const OtherLoad& others);

// What `nodes` draft nodes make a pass longer in which others have others.rows rows.
absl::Duration DraftCost(std::span<const PassCost> costs, const OtherLoad& others, int nodes);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_STEP_PRICES_H_
