// Parses the Jinja2 that chat templates use: everything but inheritance, inclusion and autoescape.
#ifndef RECYCLING_COMMON_CHAT_TEMPLATE_PARSER_H_
#define RECYCLING_COMMON_CHAT_TEMPLATE_PARSER_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "common/chat/template_ast.h"

namespace recycling::chat {

// The statements of a normalized source. InvalidArgument with line and column for a syntax error,
// for a tag, filter or test that is not known (one in an "if" is an error only when it is used, as
// in Jinja2), and for nesting deeper than 100 levels.
absl::StatusOr<Statements> ParseTemplate(std::string_view source);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_TEMPLATE_PARSER_H_
