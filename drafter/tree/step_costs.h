// The duration of a step as a function of the number of its drafted nodes. The drafter chooses the
// size of a tree by this cost.
#ifndef RECYCLING_DRAFTER_TREE_STEP_COSTS_H_
#define RECYCLING_DRAFTER_TREE_STEP_COSTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling::drafter {

inline constexpr std::size_t kMaxStepCosts = 64;

// A curve through some points. Between two points it is linear. Beyond the last point it continues
// the line through the last two points. A curve of one point is constant. Immutable.
class StepCosts {
 public:
  struct Point {
    std::uint32_t nodes = 0;   // drafted nodes, without the root
    std::uint32_t micros = 1;  // at least 1
  };

  // Returns InvalidArgument unless there are 1 to kMaxStepCosts points, their nodes ascend strictly
  // from 0, and their micros are at least 1 and never decrease.
  static absl::StatusOr<StepCosts> Create(std::vector<Point> points);

  // The duration of a step with `nodes` drafted nodes, in microseconds, at least 1. More nodes
  // never take less time. Requires nodes >= 0.
  double Micros(int nodes) const;

 private:
  explicit StepCosts(std::vector<Point> points) : points_(std::move(points)) {}

  std::vector<Point> points_;
};

// Returns the n in [0, gains.size()] with the most tokens per microsecond, including the tokens of
// other sequences: (1 + gains[0] + ... + gains[n - 1] + other_tokens) / costs.Micros(n). Compares
// all n, because two more nodes may help even if one more node does not. Of equal values it returns
// the smallest n. gains[i] is the number of tokens that node i is expected to add to the step.
// other_tokens, at least 0, is the number of tokens that other sequences get during the step.
int BestSize(std::span<const double> gains, const StepCosts& costs, double other_tokens = 0);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_STEP_COSTS_H_
