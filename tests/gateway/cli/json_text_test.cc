#include "gateway/cli/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseStringOrArrayTest, ATextThatIsNotAnArrayIsOneString) {
  EXPECT_THAT(*ParseStringOrArray("--stop", "a, \"b\""), ElementsAre("a, \"b\""));
  EXPECT_THAT(*ParseStringOrArray("--stop", ""), ElementsAre(""));
}

TEST(ParseStringOrArrayTest, AcceptsAnArrayOfStrings) {
  EXPECT_THAT(*ParseStringOrArray("--stop", R"(["a\n", "[b", "\u00e9"])"),
              ElementsAre("a\n", "[b", "\xc3\xa9"));
  EXPECT_THAT(*ParseStringOrArray("--stop", "[]"), ElementsAre());
}

TEST(ParseStringOrArrayTest, RefusesOtherArrays) {
  for (const char* text : {"[", "[1]", R"(["a", null])", R"(["a"] b)", "[\"\xff\"]", "[[\"a\"]]"}) {
    const auto texts = ParseStringOrArray("--stop", text);
    EXPECT_EQ(texts.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(texts.status().message()), HasSubstr("--stop: got"));
  }
}

TEST(ParsePromptLineTest, ReadsThePromptOrTheFirstTurn) {
  EXPECT_EQ(ParsePromptLine(R"({"id": 1, "prompt": "a"})")->prompt, "a");
  EXPECT_FALSE(ParsePromptLine(R"({"prompt": "a", "turns": ["b"]})")->from_turns);
  const auto turns = ParsePromptLine(R"({"question_id": 1, "turns": ["a", "b"]})");
  EXPECT_EQ(turns->prompt, "a");
  EXPECT_TRUE(turns->from_turns);
  EXPECT_EQ(turns->category, "");
  EXPECT_EQ(ParsePromptLine(R"({"category": "math", "prompt": "a"})")->category, "math");
}

TEST(ParsePromptLineTest, RefusesOtherLines) {
  for (const char* line :
       {"", "a", "{", "[]", "\"a\"", "{}", R"({"prompt": 1})", R"({"turns": []})",
        R"({"turns": "a"})", R"({"prompt": "a", "category": 1})", R"({"turns": [["a"]]})",
        "{\"prompt\": \"\xff\"}"}) {
    EXPECT_EQ(ParsePromptLine(line).status().code(), absl::StatusCode::kInvalidArgument) << line;
  }
  EXPECT_FALSE(ParsePromptLine(std::string(100'000, '[')).ok());
}

TEST(JsonTextTest, WritesOneLineEvenIfTheTextHasLineBreaks) {
  gateway::v1::Delta delta;
  delta.set_text("a\n\"\x1b\xe2\x80\xa8");
  delta.add_token_ids(4294967295U);
  EXPECT_EQ(DeltaJson(delta),
            "{\"event\":\"delta\",\"text\":\"a\\n\\\"\\u001b\xe2\x80\xa8\","
            "\"token_ids\":[4294967295]}\n");
}

TEST(JsonTextTest, WritesRequestedLogprobs) {
  gateway::v1::Delta delta;
  delta.add_token_ids(5);
  auto* logprob = delta.add_logprobs();
  logprob->set_token_id(5);
  logprob->set_logprob(-0.5F);
  logprob->add_top()->set_token_id(6);
  EXPECT_EQ(DeltaJson(delta),
            "{\"event\":\"delta\",\"text\":\"\",\"token_ids\":[5],\"logprobs\":[{\"token_id\":5,"
            "\"logprob\":-0.5,\"top\":[{\"token_id\":6,\"logprob\":0.0}]}]}\n");
}

TEST(JsonTextTest, FinalNamesTheMatchedStop) {
  gateway::v1::Final final;
  final.set_finish_reason(gateway::v1::FINISH_REASON_STOP_TOKEN);
  final.set_matched_token(0);
  final.set_seed(18446744073709551615U);
  const std::string json = FinalJson(final);
  EXPECT_TRUE(
      json.starts_with("{\"event\":\"final\",\"finish_reason\":\"stop_token\","
                       "\"matched_token\":0,\"seed\":18446744073709551615,"))
      << json;
  EXPECT_EQ(json.find("matched_stop"), std::string::npos);
}

}  // namespace
}  // namespace recycling::cli
