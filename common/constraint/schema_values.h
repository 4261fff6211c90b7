// The numbers and strings that JSON schemas allow.
#ifndef RECYCLING_COMMON_CONSTRAINT_SCHEMA_VALUES_H_
#define RECYCLING_COMMON_CONSTRAINT_SCHEMA_VALUES_H_

#include "absl/status/statusor.h"
#include "common/constraint/expression.h"
#include "common/constraint/schema_facts.h"

namespace recycling::constraint {

// None of these expressions calls a rule. Errors as CompileJsonSchema.
absl::StatusOr<Expression> IntegerOf(const Facts& facts);
absl::StatusOr<Expression> StringOf(const Facts& facts);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_SCHEMA_VALUES_H_
