#include "drafter/tree/step_costs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace recycling::drafter {

absl::StatusOr<StepCosts> StepCosts::Create(std::vector<Point> points) {
  if (points.empty() || points.size() > kMaxStepCosts) {
    return absl::InvalidArgumentError(
        absl::StrCat("step_costs: got ", points.size(), " entries, expected 1 to ", kMaxStepCosts));
  }
  if (points[0].nodes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("step_costs: got nodes ", points[0].nodes, " first, expected 0"));
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].micros < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("step_costs: got micros 0 in entry ", i, ", expected at least 1"));
    }
    if (i == 0) continue;
    if (points[i].nodes <= points[i - 1].nodes) {
      return absl::InvalidArgumentError(absl::StrCat("step_costs: got nodes ", points[i].nodes,
                                                     " after ", points[i - 1].nodes,
                                                     ", expected strictly ascending nodes"));
    }
    if (points[i].micros < points[i - 1].micros) {
      return absl::InvalidArgumentError(absl::StrCat("step_costs: got micros ", points[i].micros,
                                                     " after ", points[i - 1].micros,
                                                     ", expected micros that never decrease"));
    }
  }
  return StepCosts(std::move(points));
}

double StepCosts::Micros(int nodes) const {
  const auto at = static_cast<std::uint32_t>(std::max(nodes, 0));
  // Find the part of the curve that contains `at`. The last part has no end.
  std::size_t right = 1;
  while (right + 1 < points_.size() && points_[right].nodes < at) ++right;
  if (right >= points_.size()) return points_[0].micros;
  const Point& from = points_[right - 1];
  const Point& to = points_[right];
  const double slope =
      (static_cast<double>(to.micros) - from.micros) / (static_cast<double>(to.nodes) - from.nodes);
  return from.micros + slope * (static_cast<double>(at) - from.nodes);
}

int BestSize(std::span<const double> gains, const StepCosts& costs, double other_tokens) {
  int best = 0;
  double tokens = 1 + other_tokens;
  double best_speed = tokens / costs.Micros(0);
  for (std::size_t i = 0; i < gains.size(); ++i) {
    tokens += gains[i];
    const int nodes = static_cast<int>(i) + 1;
    const double speed = tokens / costs.Micros(nodes);
    if (speed > best_speed) {
      best_speed = speed;
      best = nodes;
    }
  }
  return best;
}

}  // namespace recycling::drafter
