#ifndef RECYCLING_COMMON_CONSTRAINT_INTERSECTION_H_
#define RECYCLING_COMMON_CONSTRAINT_INTERSECTION_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "common/constraint/expression.h"

namespace recycling::constraint {

// The texts that match each expression of `all` and none of `none`. `all` is not empty. No
// expression calls a rule. Takes the states of the result from `states_left`. InvalidArgument if it
// needs more of them, more than 8192, or more than 32 expressions.
absl::StatusOr<Expression> Intersect(const std::vector<Expression>& all,
                                     const std::vector<Expression>& none, std::size_t& states_left);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_INTERSECTION_H_
