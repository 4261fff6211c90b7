#include "gateway/speculation/step_prices.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace recycling::gateway {
namespace {

// Beyond the last measured size, a row costs at least this share of what a row costs there on
// average. Measured curves have 0.5 and more.
constexpr double kLeastShare = 0.4;

std::uint32_t Micros(absl::Duration duration) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(
      std::clamp(absl::ToInt64Microseconds(duration), std::int64_t{1}, kMost));
}

// What a step takes beyond its pass.
absl::Duration Beyond(absl::Duration overhead, const OtherLoad& others) {
  return std::max({overhead, others.passes, absl::ZeroDuration()});
}

}  // namespace

absl::Duration PassCostAt(std::span<const PassCost> costs, double rows) {
  if (costs.empty()) return absl::ZeroDuration();
  if (rows <= costs.front().rows || costs.size() == 1) return costs.front().duration;
  auto after = std::find_if(costs.begin(), costs.end(),
                            [rows](const PassCost& cost) { return cost.rows >= rows; });
  if (after == costs.end()) --after;
  const PassCost& high = *after;
  const PassCost& low = *(after - 1);
  const absl::Duration row = (high.duration - low.duration) / (high.rows - low.rows);
  if (rows <= high.rows) return low.duration + (rows - low.rows) * row;
  const absl::Duration least = kLeastShare * high.duration / high.rows;
  return high.duration + (rows - high.rows) * std::max(row, least);
}

std::vector<StepCost> PriceSteps(std::span<const PassCost> costs, absl::Duration overhead,
                                 const OtherLoad& others, int max_nodes) {
  std::vector<StepCost> prices;
  if (costs.empty()) return prices;
  prices.reserve(std::min(costs.size() + 2, kMaxStepCosts));
  const absl::Duration beyond = Beyond(overhead, others);
  const double plain_rows = 1 + others.rows;
  const auto price = [&](std::uint32_t nodes) -> StepCost {
    return {.nodes = nodes, .micros = Micros(PassCostAt(costs, plain_rows + nodes) + beyond)};
  };
  const auto most = static_cast<std::uint32_t>(std::max(max_nodes, 0));
  prices.push_back(price(0));
  for (const PassCost& cost : costs) {
    if (prices.back().nodes >= most || prices.size() + 1 >= kMaxStepCosts) break;
    if (cost.rows <= plain_rows) continue;
    const auto nodes = static_cast<std::uint32_t>(std::ceil(cost.rows - plain_rows));
    if (nodes > prices.back().nodes) prices.push_back(price(nodes));
  }
  if (prices.back().nodes < most) prices.push_back(price(most));
  return prices;
}

std::optional<absl::Duration> PlainStepCost(std::span<const PassCost> costs,
                                            absl::Duration overhead, const OtherLoad& others) {
  if (costs.empty()) return std::nullopt;
  return PassCostAt(costs, 1 + others.rows) + Beyond(overhead, others);
}

std::optional<double> RowCost(std::span<const PassCost> costs, const OtherLoad& others) {
  const absl::Duration pass = PassCostAt(costs, 1 + others.rows);
  if (pass <= absl::ZeroDuration()) return std::nullopt;
  return absl::FDivDuration(DraftCost(costs, others, 1), pass);
}

absl::Duration DraftCost(std::span<const PassCost> costs, const OtherLoad& others, int nodes) {
  return PassCostAt(costs, 1 + others.rows + nodes) - PassCostAt(costs, 1 + others.rows);
}

}  // namespace recycling::gateway
