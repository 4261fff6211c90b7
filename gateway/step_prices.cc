#include "gateway/step_prices.h"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace recycling::gateway {
namespace {

std::uint32_t Micros(absl::Duration duration) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(
      std::clamp(absl::ToInt64Microseconds(duration), std::int64_t{1}, kMost));
}

}  // namespace

absl::Duration PassCostAt(std::span<const PassCost> costs, std::uint32_t rows) {
  if (costs.empty()) return absl::ZeroDuration();
  if (rows <= costs.front().rows || costs.size() == 1) return costs.front().duration;
  auto after = std::find_if(costs.begin(), costs.end(),
                            [rows](const PassCost& cost) { return cost.rows >= rows; });
  if (after == costs.end()) --after;
  const PassCost& high = *after;
  const PassCost& low = *(after - 1);
  const double slope = static_cast<double>(rows - low.rows) / (high.rows - low.rows);
  return low.duration + slope * (high.duration - low.duration);
}

std::vector<StepCost> PriceSteps(std::span<const PassCost> costs, absl::Duration overhead,
                                 int max_nodes) {
  std::vector<StepCost> prices;
  if (costs.empty()) return prices;
  prices.reserve(std::min(costs.size() + 2, kMostStepCosts));
  overhead = std::max(overhead, absl::ZeroDuration());
  const auto most = static_cast<std::uint32_t>(std::max(max_nodes, 0));
  prices.push_back({.nodes = 0, .micros = Micros(PassCostAt(costs, 1) + overhead)});
  for (const PassCost& cost : costs) {
    if (prices.back().nodes >= most || prices.size() + 1 >= kMostStepCosts) break;
    if (cost.rows > 1) {
      prices.push_back({.nodes = cost.rows - 1, .micros = Micros(cost.duration + overhead)});
    }
  }
  if (prices.back().nodes < most) {
    prices.push_back({.nodes = most, .micros = Micros(PassCostAt(costs, most + 1) + overhead)});
  }
  return prices;
}

}  // namespace recycling::gateway
