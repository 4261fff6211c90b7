// The numbers and strings that JSON schemas allow.
#ifndef RECYCLING_COMMON_CONSTRAINT_SCHEMA_VALUES_H_
#define RECYCLING_COMMON_CONSTRAINT_SCHEMA_VALUES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/constraint/expression.h"
#include "common/constraint/schema_facts.h"

namespace recycling::constraint {

// None of these expressions calls a rule. `states_left` as Intersect. Errors as CompileJsonSchema.
absl::StatusOr<Expression> IntegerOf(const Facts& facts, std::size_t& states_left);
absl::StatusOr<Expression> StringOf(const Facts& facts, std::size_t& states_left);

// Exactly these texts. They have no common places but where they begin alike, so that a long list
// needs few token masks.
Expression OneOfTexts(const std::vector<std::string>& texts);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_SCHEMA_VALUES_H_
