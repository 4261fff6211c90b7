// The members that JSON schemas name.
#ifndef RECYCLING_COMMON_CONSTRAINT_SCHEMA_MEMBERS_H_
#define RECYCLING_COMMON_CONSTRAINT_SCHEMA_MEMBERS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/constraint/expression.h"
#include "common/constraint/grammar.h"
#include "common/constraint/schema_facts.h"

namespace recycling::constraint {

// A member that schemas name, and the schemas that its value must fulfil.
struct Member {
  std::string name;
  Places value;
  bool required = false;
};

// A schema of patternProperties.
struct NamePattern {
  Expression name;     // within its quotes, as all dialects match it
  Expression perhaps;  // as any dialect matches it
  std::shared_ptr<const Grammar> all_dialects;
  std::shared_ptr<const Grammar> any_dialect;
  Place value;
};

// The members that `properties` and `required` name, in the order of the schemas. Required ones
// without a schema come last. Errors as CompileJsonSchema.
absl::StatusOr<std::vector<Member>> MembersOf(const Places& places);
// Adds to `members` of `places` those that only `others` have.
absl::Status AddMissingMembers(const Places& places, const std::vector<Member>& others,
                               std::vector<Member>& members);
// Whether no object has such a member.
bool IsNever(const Member& member);

// A name, as a JSON string without its quotes.
std::string NameText(const std::string& name);
absl::StatusOr<std::vector<NamePattern>> PatternsIn(const Place& place);
// additionalProperties; null where there is none.
Place OthersIn(const Place& place);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_SCHEMA_MEMBERS_H_
