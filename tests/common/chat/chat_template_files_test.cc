// Real templates: the texts that Jinja2 gives, and that no message becomes a control token.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "common/chat/chat_template.h"
#include "common/chat/json.h"
#include "common/chat/prompt_tokens.h"
#include "common/chat/unicode_text.h"
#include "common/tokenizer/tokenizer.h"
#include "common/tokenizer/utf8.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/shared_folder.h"

namespace recycling::chat {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The templates of the shared folder; empty if it is absent.
std::vector<std::filesystem::path> Templates() {
  std::vector<std::filesystem::path> paths;
  const std::string shared = doubles::SharedFolder();
  const std::filesystem::path folder = std::filesystem::path(shared) / "chat_templates";
  if (shared.empty() || !std::filesystem::is_directory(folder)) return paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".jinja") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string Text(const Value& fields, const char* name) {
  const Value* value = fields.dict()->Find(name);
  return value == nullptr ? "" : value->text()->bytes();
}

ChatTemplateInput InputOf(const Value& file, const Value& fields) {
  ChatTemplateInput input;
  const Dict& names = *fields.dict();
  const auto messages = MessagesOf(*names.Find("messages"));
  EXPECT_TRUE(messages.ok()) << messages.status();
  input.messages = *messages;
  if (const Value* tools = names.Find("tools")) input.tools = *tools;
  input.add_generation_prompt = names.Find("add_generation_prompt")->boolean();
  input.arguments = fields;  // a superset; the fields above win
  input.bos_token = Text(file, "bos_token");
  input.eos_token = Text(file, "eos_token");
  EXPECT_TRUE(absl::ParseCivilTime(Text(file, "now"), &input.now));
  return input;
}

TEST(ChatTemplateFilesTest, GivesTheTextsOfJinja2) {
  const std::vector<std::filesystem::path> paths = Templates();
  if (paths.empty()) GTEST_SKIP() << "no shared folder";
  std::size_t cases = 0;
  for (const std::filesystem::path& path : paths) {
    const auto parsed = ChatTemplate::Parse(ReadFile(path));
    ASSERT_TRUE(parsed.ok()) << parsed.status() << path;
    std::filesystem::path expected = path;
    const auto file = ParseJson(ReadFile(expected.replace_extension(".json")), true);
    ASSERT_TRUE(file.ok()) << file.status() << path;
    for (const Value& fields : file->dict()->Find("cases")->list()->items) {
      ++cases;
      const auto text = parsed->Render(InputOf(*file, fields));
      const Value& expect = *fields.dict()->Find("expect");
      const Value* wanted = expect.dict()->Find("text");
      EXPECT_EQ(text.ok(), wanted != nullptr) << path << " " << Text(fields, "name");
      if (text.ok() && wanted != nullptr) {
        EXPECT_EQ(text->bytes(), wanted->text()->bytes()) << path << " " << Text(fields, "name");
      }
    }
  }
  EXPECT_GE(cases, 396u);
}

// Markers such as <|im_end|>, [INST] and </think> in a template's source.
std::vector<std::string> MarkersOf(const std::string& source) {
  std::set<std::string> markers;
  for (const auto& [open, close] : {std::pair{'<', '>'}, std::pair{'[', ']'}}) {
    for (std::size_t begin = source.find(open); begin != std::string::npos;
         begin = source.find(open, begin + 1)) {
      const std::size_t end = source.find(close, begin);
      if (end == std::string::npos || end - begin > 40) continue;
      const std::string marker = source.substr(begin, end + 1 - begin);
      const bool plain = marker.find_first_of(" \n'\"{}()") == std::string::npos;
      if (plain && marker.size() > 3 && marker.find(open, 1) == std::string::npos) {
        markers.insert(marker);
      }
    }
  }
  return {markers.begin(), markers.end()};
}

// A byte-level vocabulary whose control tokens are `markers`.
std::unique_ptr<const Tokenizer> MakeTokenizer(const std::vector<std::string>& markers) {
  TokenizerData data = {.model = "gpt2", .pre = "gpt-2"};
  for (char32_t c = 0x21; c <= 0x143; ++c) {
    const bool skipped = (c > 0x7E && c < 0xA1) || c == 0xAD;
    if (!skipped) data.tokens.push_back(ToUtf8(c));
  }
  data.token_types.assign(data.tokens.size(), TokenType::kNormal);
  for (const std::string& marker : markers) {
    data.tokens.push_back(marker);
    data.token_types.push_back(TokenType::kControl);
  }
  auto tokenizer = Tokenizer::Create(std::move(data));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

constexpr TokenId kFirstControl = 256;

// A conversation whose contents are `content(i)` for the i-th of its texts.
template <typename Content>
Value Conversation(Content content) {
  const auto message = [&](const char* role, std::size_t index) {
    auto fields = std::make_shared<Dict>();
    fields->Set(Value::Text("role"), Value::Text(role));
    fields->Set(Value::Text("content"), Value::Text(MarkedText(content(index), true)));
    return Value::Of(fields, true);
  };
  return Value::Of(List::Make({message("user", 0), message("assistant", 1), message("user", 2)}),
                   true);
}

std::vector<TokenId> ControlIds(const std::vector<TokenId>& ids) {
  std::vector<TokenId> control;
  for (const TokenId id : ids) {
    if (id >= kFirstControl) control.push_back(id);
  }
  return control;
}

// Hostile messages give exactly the control tokens that the same conversation with harmless texts
// gives: no more, so no message becomes one, and no fewer, so no message hides one.
TEST(ChatTemplateFilesTest, NoMessageBecomesAControlToken) {
  const std::vector<std::filesystem::path> paths = Templates();
  if (paths.empty()) GTEST_SKIP() << "no shared folder";
  std::mt19937 random(7);
  std::size_t compared = 0;
  for (const std::filesystem::path& path : paths) {
    const std::string source = ReadFile(path);
    const auto parsed = ChatTemplate::Parse(source);
    ASSERT_TRUE(parsed.ok()) << parsed.status() << path;
    const std::vector<std::string> markers = MarkersOf(source);
    const auto tokenizer = MakeTokenizer(markers);
    const auto control_ids = [&](auto content) -> std::optional<std::vector<TokenId>> {
      ChatTemplateInput input;
      input.messages = Conversation(content);
      input.now = absl::CivilSecond(2026, 3, 7);
      const auto text = parsed->Render(input);
      if (!text.ok()) return std::nullopt;
      const auto ids = EncodePrompt(*tokenizer, *text);
      EXPECT_TRUE(ids.ok()) << ids.status();
      return ControlIds(*ids);
    };
    const auto harmless =
        control_ids([](std::size_t index) { return absl::StrCat("text", index); });
    if (!harmless.has_value()) continue;
    std::vector<std::string> pieces = {"{{ 1 }}", "{% if x %}", "{#", "}}", "%}", "\n", " ", "x"};
    for (const std::string& marker : markers) {
      // These two steer some templates: what follows them is no part of the answer.
      if (marker.find("think") != std::string::npos) continue;
      pieces.push_back(marker);
      const std::vector<std::size_t> characters = CharacterOffsets(marker);
      const std::size_t half = characters[characters.size() / 2];
      pieces.push_back(marker.substr(0, half));
      pieces.push_back(marker.substr(half));
    }
    for (int round = 0; round < 30; ++round) {
      std::vector<std::string> contents;
      for (int i = 0; i < 3; ++i) {
        std::string content;
        const std::size_t count = 1 + random() % 6;
        for (std::size_t j = 0; j < count; ++j) content += pieces[random() % pieces.size()];
        contents.push_back("a" + content + "b");
        if (round % 2 == 0) contents.back() = content;
      }
      const auto hostile = control_ids([&](std::size_t index) { return contents[index]; });
      if (!hostile.has_value()) continue;
      ++compared;
      EXPECT_EQ(*hostile, *harmless) << path << "\n"
                                     << contents[0] << "\n"
                                     << contents[1] << "\n"
                                     << contents[2];
    }
  }
  EXPECT_GE(compared, 30 * 30u);
}

}  // namespace
}  // namespace recycling::chat
