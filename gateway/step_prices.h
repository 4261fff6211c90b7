// From what passes cost at the verifier to what steps cost at the gateway. Pure.
#ifndef RECYCLING_GATEWAY_STEP_PRICES_H_
#define RECYCLING_GATEWAY_STEP_PRICES_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "gateway/drafter_client.h"
#include "gateway/verifier_client.h"

namespace recycling::gateway {

inline constexpr std::size_t kMostStepCosts = 64;

// What a pass of `rows` rows costs: linear between the points, on from the last two behind them,
// the first one's before it. Zero without points. Requires points as SequenceOpened has them.
absl::Duration PassCostAt(std::span<const PassCost> costs, std::uint32_t rows);

// Cost of a step by its number of nodes: a pass has a row more, and a step `overhead` beyond its
// pass. From 0 to the first number at or above `max_nodes`, at most kMostStepCosts entries. Empty
// without points.
std::vector<StepCost> PriceSteps(std::span<const PassCost> costs, absl::Duration overhead,
                                 int max_nodes);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_STEP_PRICES_H_
