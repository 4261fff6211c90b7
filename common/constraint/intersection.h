#ifndef RECYCLING_COMMON_CONSTRAINT_INTERSECTION_H_
#define RECYCLING_COMMON_CONSTRAINT_INTERSECTION_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "common/constraint/expression.h"

namespace recycling::constraint {

// The texts that match each expression of `all` and none of `none`. `all` is not empty. No
// expression calls a rule. InvalidArgument if the result needs more than `most_states` states.
absl::StatusOr<Expression> Intersect(const std::vector<Expression>& all,
                                     const std::vector<Expression>& none,
                                     std::size_t most_states = 1 << 13);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_INTERSECTION_H_
