// Expressions of JSON texts. All of them write one space after ":" and ",", and no other space
// between tokens.
#ifndef RECYCLING_COMMON_CONSTRAINT_JSON_TEXT_H_
#define RECYCLING_COMMON_CONSTRAINT_JSON_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/constraint/expression.h"

namespace recycling::constraint {

// One character of `set` within a JSON string, spelled as it is where that is allowed, and else by
// the shortest escape.
Expression JsonChar(const CodePointSet& set);
// Any character within a JSON string, in all its spellings.
Expression AnyJsonChar();
// A JSON string of `least` to `most` characters.
Expression JsonString(std::uint32_t least = 0, std::uint32_t most = kUnbounded);

// A number that a range begins or ends with, in decimal: the sign, the digits before the point and
// those behind it, without zeros that mean nothing.
struct Decimal {
  bool negative = false;
  std::string whole = "0";
  std::string fraction;
};
// Nothing if the text is no JSON number, or has more than 60 digits when its exponent is written
// out.
std::optional<Decimal> ParseDecimal(std::string_view text);

// Less than, equal to, or more than 0, as `a` is to `b`.
int CompareDecimals(const Decimal& a, const Decimal& b);

struct NumberRange {
  std::optional<Decimal> low;
  std::optional<Decimal> high;
  bool low_excluded = false;
  bool high_excluded = false;
};

// The integers of the range. An open end stops at 16 digits, or at one digit more than the other
// end has.
Expression JsonInteger(const NumberRange& range);
// The numbers of the range. Without a range they have at most 16 digits on each side of the point
// and an exponent of at most 2 digits. With one they have no exponent, and behind the point 6
// digits or as many as the bounds have. `most_fraction` limits the digits behind the point; then
// there is no exponent either.
Expression JsonNumber(const NumberRange& range, std::optional<std::uint32_t> most_fraction);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_JSON_TEXT_H_
