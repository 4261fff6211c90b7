// JSON schemas as grammars.
#ifndef RECYCLING_COMMON_CONSTRAINT_JSON_SCHEMA_H_
#define RECYCLING_COMMON_CONSTRAINT_JSON_SCHEMA_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/constraint/grammar.h"

namespace recycling::constraint {

// The grammar of JSON texts that `schema` (drafts 7 to 2020-12) accepts. Not all of them: README.md
// says how they are written. InvalidArgument with the place in the schema if a keyword is wrong,
// constrains in a way that is not supported, or no value fulfils the schema; and if the schema is
// no JSON, has more than 256 KiB, an object with more than 1024 members, or nests deeper than 64
// levels.
absl::StatusOr<std::shared_ptr<const Grammar>> CompileJsonSchema(std::string_view schema);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_JSON_SCHEMA_H_
