// What a step takes by the number of its drafted nodes: the price at which a tree is chosen.
#ifndef RECYCLING_DRAFTER_TREE_STEP_COSTS_H_
#define RECYCLING_DRAFTER_TREE_STEP_COSTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling::drafter {

inline constexpr std::size_t kMaxStepCosts = 64;

// Immutable. A curve that is known at some sizes, linear in between and on from the last two; of
// one point, constant.
class StepCosts {
 public:
  struct Point {
    std::uint32_t nodes = 0;   // beside the root
    std::uint32_t micros = 1;  // at least 1
  };

  // InvalidArgument unless there are 1 to kMaxStepCosts points, their nodes ascend strictly from 0,
  // and their micros are at least 1 and do not descend.
  static absl::StatusOr<StepCosts> Create(std::vector<Point> points);

  // Microseconds of a step with `nodes` drafted nodes, nodes >= 0. At least 1, never descending.
  double Micros(int nodes) const;

 private:
  explicit StepCosts(std::vector<Point> points) : points_(std::move(points)) {}

  std::vector<Point> points_;
};

// The n in [0, gains.size()] with the most tokens for each microsecond, those of other sequences
// included: (1 + gains[0] + ... + gains[n - 1] + other_tokens) / costs.Micros(n). The largest over
// all n, not the first at which the next does not pay; of equal ones the smallest. gains[i] is what
// node i adds to the tokens that a step is expected to emit; other_tokens, at least 0, is what
// others are given meanwhile.
int BestSize(std::span<const double> gains, const StepCosts& costs, double other_tokens = 0);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_STEP_COSTS_H_
