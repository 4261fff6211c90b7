#include "gateway/loop/emission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Tokens 0 to 25 are the letters a to z. Token 30 is end of sequence. Tokens 31 and 32 are the
// first and the second byte of the character U+00E9.
std::string Bytes(TokenId id) {
  if (id == 31) return "\xC3";
  if (id == 32) return "\xA9";
  return id < 26 ? std::string(1, static_cast<char>('a' + id)) : "<control>";
}

Emission Make(EmissionRules rules) { return Emission(std::move(rules), Bytes); }

OutputDelta Add(Emission& emission, std::vector<TokenId> tokens) {
  return emission.Add(tokens, {});
}

TEST(EmissionTest, EmitsTextAndIdsOfAStep) {
  Emission emission = Make({.max_tokens = 10});
  const OutputDelta delta = Add(emission, {0, 1});
  EXPECT_EQ(delta.text, "ab");
  EXPECT_THAT(delta.tokens, ElementsAre(0, 1));
  EXPECT_FALSE(emission.finish().has_value());
  EXPECT_EQ(emission.allowed(), 8u);
}

TEST(EmissionTest, EndOfSequenceInsideAnAcceptedRunEndsThere) {
  Emission emission = Make({.max_tokens = 10, .eos_token_ids = {30}});
  const OutputDelta delta = Add(emission, {0, 30, 1, 2});
  EXPECT_EQ(delta.text, "a");
  EXPECT_THAT(delta.tokens, ElementsAre(0, 30));
  EXPECT_EQ(emission.shown(), 2u);
  EXPECT_EQ(emission.finish(), (Finish{FinishReason::kEos, "", 30}));
}

TEST(EmissionTest, AStopTokenIsCountedAndGivesNoText) {
  Emission emission = Make({.max_tokens = 10, .stop_token_ids = {3}});
  const OutputDelta delta = Add(emission, {0, 3, 1});
  EXPECT_EQ(delta.text, "a");
  EXPECT_THAT(delta.tokens, ElementsAre(0, 3));
  EXPECT_EQ(emission.finish(), (Finish{FinishReason::kStopToken, "", 3}));
}

TEST(EmissionTest, AnEndOfSequenceTokenThatIsAlsoAStopTokenEndsAsEos) {
  Emission emission = Make({.max_tokens = 10, .eos_token_ids = {30}, .stop_token_ids = {30}});
  Add(emission, {30});
  EXPECT_EQ(emission.finish()->reason, FinishReason::kEos);
}

TEST(EmissionTest, EndsAtMaxTokensAndReleasesHeldText) {
  Emission emission = Make({.max_tokens = 3, .stop = {"cd"}});
  const OutputDelta delta = Add(emission, {0, 1, 2, 3});
  EXPECT_EQ(delta.text, "abc");
  EXPECT_THAT(delta.tokens, ElementsAre(0, 1, 2));
  EXPECT_EQ(emission.finish(), (Finish{FinishReason::kLength, "", std::nullopt}));
  EXPECT_EQ(emission.allowed(), 0u);
}

TEST(EmissionTest, AStopStringAtMaxTokensEndsAsStopString) {
  Emission emission = Make({.max_tokens = 3, .stop = {"bc"}});
  EXPECT_EQ(Add(emission, {0, 1, 2}).text, "a");
  EXPECT_EQ(emission.finish()->reason, FinishReason::kStopString);
  EXPECT_EQ(emission.shown(), 1u);
}

TEST(EmissionTest, HoldsIdsAndLogprobsWithTheTextOfAPossibleStop) {
  Emission emission = Make({.max_tokens = 10, .stop = {"bcd"}});
  const std::vector<TokenId> first = {0, 1}, second = {2, 4};
  const std::vector<TokenLogprob> of_first = {{0, -1.f, {}}, {1, -2.f, {}}};
  const std::vector<TokenLogprob> of_second = {{2, -3.f, {}}, {4, -4.f, {}}};
  OutputDelta delta = emission.Add(first, of_first);
  EXPECT_EQ(delta.text, "a");
  EXPECT_THAT(delta.tokens, ElementsAre(0));
  EXPECT_THAT(delta.logprobs, ElementsAre(of_first[0]));
  EXPECT_EQ(emission.taken(), 2u);
  EXPECT_EQ(emission.shown(), 1u);
  delta = emission.Add(second, of_second);
  EXPECT_EQ(delta.text, "bce");
  EXPECT_THAT(delta.tokens, ElementsAre(1, 2, 4));
  EXPECT_THAT(delta.logprobs, ElementsAre(of_first[1], of_second[0], of_second[1]));
}

TEST(EmissionTest, TrimsTextIdsAndLogprobsTogetherAtAStopString) {
  Emission emission = Make({.max_tokens = 10, .stop = {"bcd"}});
  Add(emission, {0, 1});
  const std::vector<TokenId> tokens = {2, 3, 5};
  const std::vector<TokenLogprob> logprobs = {{2, -1.f, {}}, {3, -1.f, {}}, {5, -1.f, {}}};
  const OutputDelta delta = emission.Add(tokens, logprobs);
  EXPECT_EQ(delta.text, "");
  EXPECT_THAT(delta.tokens, IsEmpty());
  EXPECT_THAT(delta.logprobs, IsEmpty());
  EXPECT_TRUE(delta.empty());
  EXPECT_EQ(emission.shown(), 1u);
  EXPECT_EQ(emission.finish(), (Finish{FinishReason::kStopString, "bcd", std::nullopt}));
}

TEST(EmissionTest, EndOfSequenceReleasesTheTextOfAPossibleStop) {
  Emission emission = Make({.max_tokens = 10, .eos_token_ids = {30}, .stop = {"bcd"}});
  EXPECT_EQ(Add(emission, {0, 1}).text, "a");
  const OutputDelta delta = Add(emission, {30});
  EXPECT_EQ(delta.text, "b");
  EXPECT_THAT(delta.tokens, ElementsAre(1, 30));
}

TEST(EmissionTest, EmitsTheIdsOfAnUnfinishedCharacterBeforeItsText) {
  Emission emission = Make({.max_tokens = 3});
  OutputDelta delta = Add(emission, {31});
  EXPECT_EQ(delta.text, "");
  EXPECT_THAT(delta.tokens, ElementsAre(31));
  EXPECT_EQ(Add(emission, {32}).text, "\xC3\xA9");
  EXPECT_EQ(Add(emission, {31}).text, "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace recycling::gateway
