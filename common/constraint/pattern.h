// Regular expressions, as JavaScript (ECMA-262) and JSON Schema write them.
#ifndef RECYCLING_COMMON_CONSTRAINT_PATTERN_H_
#define RECYCLING_COMMON_CONSTRAINT_PATTERN_H_

#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/constraint/expression.h"

namespace recycling::constraint {

// How one character of a set is spelled in the constrained text.
using SpellChars = std::function<Expression(const CodePointSet&)>;

// JavaScript, Python, Rust and others do not agree on the characters of ".", \d, \w and \s.
enum class Dialects {
  kAll,  // texts that match in all of them
  kAny,  // texts that match in at least one
};

// The texts in which `pattern` matches somewhere, with the `u` flag and without others. "^" and "$"
// are taken at the ends of alternatives. InvalidArgument with the byte if the pattern is wrong or
// has more than 8 KiB, and with the name of the construct if it has one that is not supported:
// look-around, back-references, word boundaries, and "^" or "$" in the middle.
absl::StatusOr<Expression> ParsePattern(std::string_view pattern, const SpellChars& spell,
                                        Dialects dialects = Dialects::kAll);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_PATTERN_H_
