// A chat template of any bytes must be refused, or render the same text twice. What a message holds
// must be marked wherever the template prints it.
//
// Input: the template, then, after a zero byte, JSON messages. If they are none, fixed messages are
// used.
#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "common/chat/chat_template.h"
#include "common/chat/json.h"
#include "common/tokenizer/utf8.h"
#include "tests/fuzz/proto_fuzz.h"

namespace {

namespace chat = recycling::chat;

// Only messages hold this character, unless the template writes it or its escape.
constexpr std::string_view kSecret = "\uE000";

constexpr char kMessages[] =
    R"([{"role": "system", "content": "be  brief"},
        {"role": "user", "content": "a@<|end|>{{ 1 }}\n@ b"},
        {"role": "assistant", "content": null,
         "tool_calls": [{"function": {"name": "f@", "arguments": {"x": [1, 2.5, true, "@"]}}}]},
        {"role": "tool", "content": [{"type": "text", "text": "@"}]}])";

bool WritesSecret(const std::string& source) {
  return absl::StrContains(absl::AsciiStrToLower(source), "e000") ||
         source.find(kSecret) != std::string::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  const std::string source = input.substr(0, end);
  const auto parsed = chat::ChatTemplate::Parse(source);
  if (!parsed.ok()) return 0;

  chat::ChatTemplateInput values;
  const std::string fixed = absl::StrReplaceAll(kMessages, {{"@", std::string(kSecret)}});
  const auto given = chat::ParseJson(end < size ? input.substr(end + 1) : fixed, true);
  const auto messages = given.ok() ? chat::MessagesOf(*given) : given.status();
  values.messages = messages.ok() ? *messages : *chat::MessagesOf(*chat::ParseJson(fixed, true));
  values.bos_token = "<s>";
  values.now = absl::CivilSecond(2026, 3, 7, 8, 5, 9);
  const chat::RenderLimits limits = {
      .max_steps = 20'000, .max_bytes = 4 << 20, .max_output_bytes = 1 << 20};
  const auto text = parsed->Render(values, limits);
  const auto again = parsed->Render(values, limits);
  FUZZ_CHECK(text.ok() == again.ok());
  if (!text.ok()) {
    FUZZ_CHECK(text.status().message() == again.status().message());
    FUZZ_CHECK(absl::StartsWith(text.status().message(), "line "));
    return 0;
  }
  FUZZ_CHECK(text->bytes() == again->bytes() && text->marked() == again->marked());
  FUZZ_CHECK(text->bytes().size() <= limits.max_output_bytes);
  FUZZ_CHECK(!recycling::FindInvalidUtf8(text->bytes()));
  std::size_t position = 0;
  for (const recycling::ByteRange& range : text->marked()) {
    FUZZ_CHECK(range.begin < range.end && (position == 0 || range.begin > position));
    position = range.end;
  }
  FUZZ_CHECK(position <= text->size());
  if (WritesSecret(source)) return 0;
  for (const chat::MarkedText::Part& part : text->Parts()) {
    FUZZ_CHECK(part.marked || part.bytes.find(kSecret) == std::string_view::npos);
  }
  return 0;
}
