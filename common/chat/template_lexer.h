// Cuts the source of a Jinja2 template into tokens, with trim_blocks and lstrip_blocks: a line
// break after a block tag, and the spaces before one at the start of a line, are no text.
#ifndef RECYCLING_COMMON_CHAT_TEMPLATE_LEXER_H_
#define RECYCLING_COMMON_CHAT_TEMPLATE_LEXER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace recycling::chat {

enum class TokenKind {
  kText,           // between tags, as it will be printed
  kVariableBegin,  // {{
  kVariableEnd,    // }}
  kBlockBegin,     // {%
  kBlockEnd,       // %}
  kName,
  kString,   // without quotes, escapes resolved
  kInteger,  // as written, without underscores
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind;
  std::string text;
  std::size_t offset;  // of its first byte in the source
};

// InvalidArgument with `message` and the line and column (both from 1; a column counts bytes) of
// the byte at `offset` of `source`.
absl::Status ErrorAt(std::string_view source, std::size_t offset, std::string_view message);

// `source` as Jinja2 reads it: every kind of line break becomes \n, and one at the end is dropped.
std::string NormalizeLineBreaks(std::string_view source);

// The tokens of a normalized source; the last one is kEnd. InvalidArgument with line and column if
// a tag or string does not end, brackets do not match, or a character belongs to no token.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_TEMPLATE_LEXER_H_
