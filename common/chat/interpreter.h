// Runs a parsed template.
#ifndef RECYCLING_COMMON_CHAT_INTERPRETER_H_
#define RECYCLING_COMMON_CHAT_INTERPRETER_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/chat/budget.h"
#include "common/chat/marked_text.h"
#include "common/chat/template_ast.h"
#include "common/chat/value.h"

namespace recycling::chat {

// The text that `statements`, parsed from `source`, print. `variables` are those that the template
// sees; a later one replaces an earlier one of the same name. `now` is what strftime_now() formats.
// InvalidArgument with line and column for an error of the template and for one that it raises;
// ResourceExhausted, also with line and column, if it needs more than `limits` allow.
absl::StatusOr<MarkedText> RunTemplate(std::string_view source, const Statements& statements,
                                       std::vector<std::pair<std::string, Value>> variables,
                                       absl::CivilSecond now, const RenderLimits& limits);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_INTERPRETER_H_
