// How long a step takes, by the number of its drafted nodes. Trees are chosen by this cost.
#ifndef RECYCLING_DRAFTER_TREE_STEP_COSTS_H_
#define RECYCLING_DRAFTER_TREE_STEP_COSTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling::drafter {

inline constexpr std::size_t kMaxStepCosts = 64;

// A curve through some points. Between two points it is linear, and beyond the last point it goes
// on as between the last two. A curve of one point is constant. Immutable.
class StepCosts {
 public:
  struct Point {
    std::uint32_t nodes = 0;   // beside the root
    std::uint32_t micros = 1;  // at least 1
  };

  // InvalidArgument unless there are 1 to kMaxStepCosts points, their nodes ascend strictly from 0,
  // and their micros are at least 1 and do not descend.
  static absl::StatusOr<StepCosts> Create(std::vector<Point> points);

  // The duration of a step with `nodes` drafted nodes, nodes >= 0; microseconds, at least 1. It
  // does not descend with the number of nodes.
  double Micros(int nodes) const;

 private:
  explicit StepCosts(std::vector<Point> points) : points_(std::move(points)) {}

  std::vector<Point> points_;
};

// The n in [0, gains.size()] with the most tokens for each microsecond, tokens of other sequences
// included: (1 + gains[0] + ... + gains[n - 1] + other_tokens) / costs.Micros(n). All n are
// compared, because a node may pay where the node before it did not. Of equal values the smallest n
// wins. gains[i] is the number of tokens that node i is expected to add to the step. other_tokens,
// at least 0, is the number of tokens that other sequences get in the time of the step.
int BestSize(std::span<const double> gains, const StepCosts& costs, double other_tokens = 0);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_STEP_COSTS_H_
