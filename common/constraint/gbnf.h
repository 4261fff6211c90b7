// The grammar format of llama.cpp (GBNF).
#ifndef RECYCLING_COMMON_CONSTRAINT_GBNF_H_
#define RECYCLING_COMMON_CONSTRAINT_GBNF_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/constraint/grammar.h"

namespace recycling::constraint {

// The grammar of the rule "root". InvalidArgument with the byte if the text is no grammar, and if
// GrammarBuilder refuses it. Matches of single tokens ("<[12]>", "<name>") are not supported.
absl::StatusOr<std::shared_ptr<const Grammar>> ParseGbnf(std::string_view text);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_GBNF_H_
