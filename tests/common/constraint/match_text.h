#ifndef RECYCLING_TESTS_COMMON_CONSTRAINT_MATCH_TEXT_H_
#define RECYCLING_TESTS_COMMON_CONSTRAINT_MATCH_TEXT_H_

#include <memory>
#include <string_view>

#include "common/constraint/grammar.h"
#include "common/constraint/matcher.h"

namespace recycling::constraint {

inline bool Accepts(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  Matcher matcher(grammar);
  return matcher.accepts(matcher.Next(matcher.start(), text));
}

}  // namespace recycling::constraint

#endif  // RECYCLING_TESTS_COMMON_CONSTRAINT_MATCH_TEXT_H_
