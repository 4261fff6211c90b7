// The methods of Python's str, list, tuple and dict, and of a loop, that templates may call.
#ifndef RECYCLING_COMMON_CHAT_METHODS_H_
#define RECYCLING_COMMON_CHAT_METHODS_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/chat/arguments.h"
#include "common/chat/budget.h"
#include "common/chat/value.h"

namespace recycling::chat {

// Whether values of this kind have a method of this name, safe or not.
bool HasMethod(const Value& value, std::string_view name);
// False for the methods that change a list or dict, which Jinja2's sandbox refuses.
bool IsSafeMethod(const Value& value, std::string_view name);

// Calls a method that HasMethod and IsSafeMethod allow. InvalidArgument if the arguments do not
// fit, if the method is not supported, or for what Python raises.
absl::StatusOr<Value> CallMethod(const Value& self, std::string_view name,
                                 const Arguments& arguments, Budget& budget);

// What the filters share with the methods.
absl::StatusOr<MarkedText> UpperCase(const MarkedText& text, Budget& budget);
absl::StatusOr<MarkedText> LowerCase(const MarkedText& text, Budget& budget);
// The first character in upper case, the others in lower case.
absl::StatusOr<MarkedText> Capitalize(const MarkedText& text, Budget& budget);
// Without white space at the ends, or without the characters of `characters` if it is a text.
absl::StatusOr<MarkedText> Strip(const MarkedText& text, const Value& characters, bool at_begin,
                                 bool at_end);
// At most `count` times, from the left; a negative count means every time.
absl::StatusOr<MarkedText> Replace(const MarkedText& text, const MarkedText& old,
                                   const MarkedText& replacement, std::int64_t count,
                                   Budget& budget);
// How many characters are missing to `width`; 0 if none.
std::int64_t MissingCharacters(const MarkedText& text, std::int64_t width);
MarkedText Center(const MarkedText& text, std::int64_t width, const MarkedText& fill);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_METHODS_H_
