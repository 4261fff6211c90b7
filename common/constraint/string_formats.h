#ifndef RECYCLING_COMMON_CONSTRAINT_STRING_FORMATS_H_
#define RECYCLING_COMMON_CONSTRAINT_STRING_FORMATS_H_

#include <string_view>

namespace recycling::constraint {

// A pattern (ParsePattern) of strings in a format of JSON Schema; empty if it is unknown. Not all
// strings of the format match: years have four digits, and February has 28 days.
std::string_view PatternOfFormat(std::string_view format);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_STRING_FORMATS_H_
