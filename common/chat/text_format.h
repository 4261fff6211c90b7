// Python's two ways to format: "%s" % value and "{}".format(value).
#ifndef RECYCLING_COMMON_CHAT_TEXT_FORMAT_H_
#define RECYCLING_COMMON_CHAT_TEXT_FORMAT_H_

#include "absl/status/statusor.h"
#include "common/chat/arguments.h"
#include "common/chat/budget.h"
#include "common/chat/value.h"

namespace recycling::chat {

// format % arguments: a tuple, a dict for %(name)s, or one value. Conversions s r d i u f F e E g
// G x X o c %, with flags, width and precision of at most 1000. InvalidArgument for others and
// for arguments that do not fit.
absl::StatusOr<Value> PrintfFormat(const MarkedText& format, const Value& arguments,
                                   Budget& budget);

// format.format(arguments): {} {0} {name} {0.name} {0[name]} !s !r, and specifications with fill,
// alignment, sign, 0, width, comma, precision and s d f F e g x X o b %. Combinations that are not
// supported are errors.
absl::StatusOr<Value> BraceFormat(const MarkedText& format, const Arguments& arguments,
                                  Budget& budget);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_TEXT_FORMAT_H_
