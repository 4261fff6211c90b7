// JSON to values and back, as Python's json module does it.
#ifndef RECYCLING_COMMON_CHAT_JSON_H_
#define RECYCLING_COMMON_CHAT_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/chat/budget.h"
#include "common/chat/value.h"

namespace recycling::chat {

// The value of a JSON text. Every text, number and container in it is marked if `marked`. A dict
// keeps the order of its keys; the last value of a repeated key counts. InvalidArgument with the
// byte if the text is not JSON or not UTF-8, nests deeper than 64 levels, has more than 500 000
// values, or an integer beyond 64 bits.
absl::StatusOr<Value> ParseJson(std::string_view text, bool marked);

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<MarkedText> indent;  // of one level; nothing: all on one line
  MarkedText item_separator = MarkedText(", ", false);
  MarkedText key_separator = MarkedText(": ", false);
  bool sort_keys = false;
};

// json.dumps(value). InvalidArgument for what JSON cannot say: undefined, a function, an iterator.
absl::StatusOr<MarkedText> DumpJson(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_JSON_H_
