// Turns what passes cost at the verifier into what steps cost at the gateway. Pure.
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

// What a pass of `rows` rows costs: linear between the points. Before the first point it is the
// cost of the first; behind the last one the line through the last two goes on. Zero without
// points. Requires points as SequenceOpened has them.
absl::Duration PassCostAt(std::span<const PassCost> costs, double rows);

// The cost of a step by its number of nodes, for a sequence that shares its passes with `others`. A
// pass has the root, others.rows more rows, and the nodes. Beyond its pass, a step takes the longer
// of `overhead` and others.passes, because the overhead passes while the passes of others run. The
// entries go from 0 nodes to the first number at or above `max_nodes`; they are at most
// kMaxStepCosts. Empty without points.
std::vector<StepCost> PriceSteps(std::span<const PassCost> costs, absl::Duration overhead,
                                 const OtherLoad& others, int max_nodes);

// What one more row adds to a pass of 1 + others.rows rows, as a share of that pass. Absent without
// points.
std::optional<double> RowCost(std::span<const PassCost> costs, const OtherLoad& others);

// What `nodes` draft nodes add to a pass in which others have others.rows rows.
absl::Duration DraftCost(std::span<const PassCost> costs, const OtherLoad& others, int nodes);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_STEP_PRICES_H_
