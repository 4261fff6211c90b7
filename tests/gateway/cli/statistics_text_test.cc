#include "gateway/cli/statistics_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "tests/doubles/proto_matchers.h"

namespace recycling::cli {
namespace {

using doubles::ParseProto;

// The lines that begin with `word`.
std::string Lines(const std::string& word, const std::string& final) {
  std::istringstream text(FinalText(ParseProto<gateway::v1::Final>(final)));
  std::string found;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(word)) found += line + "\n";
  }
  return found;
}

constexpr char kOneStepWaited[] =
    "steps { drafted_overhead { buckets { from_micros: 90 to_micros: 92 count: 1 } } }";

TEST(FinalTextTest, SaysInOneSentenceThatDraftingDoesNotPay) {
  const std::string final = std::string(
                                "usage { completion_tokens: 30 } speculation { steps: 30 "
                                "paused_steps: 28 row_cost: 0.112 } ") +
                            kOneStepWaited;
  EXPECT_EQ(
      Lines("drafting", final),
      "drafting     paused in 28 of 30 steps, because it does not pay here (a row costs 11 % of a "
      "pass)\n");
  EXPECT_EQ(Lines("overhead", final),
            "overhead     p50 91 us, p99 92 us of 1 steps that waited for a draft\n");
}

TEST(FinalTextTest, OmitsARowCostThatRoundsToZero) {
  EXPECT_EQ(Lines("drafting", "speculation { steps: 30 paused_steps: 30 row_cost: 0.004 }"),
            "drafting     paused in 30 of 30 steps, because it does not pay here\n");
}

TEST(FinalTextTest, SaysWhatDraftsGainedBeforeThePause) {
  EXPECT_EQ(
      Lines("drafting",
            "usage { completion_tokens: 32 } speculation { steps: 30 drafted_steps: 2 "
            "draft_tokens: 32 accepted_tokens: 2 paused_steps: 27 row_cost: 0.112 }"),
      "drafting     MAT 1.07 over 30 steps; accepted 2 of 32 drafted tokens (6.2%); paused in "
      "27 of 30 steps, because it does not pay here (a row costs 11 % of a pass and gains "
      "0.06 tokens)\n");
}

TEST(FinalTextTest, SaysWhetherStepsAskedForADraftInVainOrDidNotAsk) {
  EXPECT_EQ(Lines("drafting", "speculation { steps: 30 }"),
            "drafting     no draft was asked for in 30 steps\n");
  EXPECT_EQ(Lines("drafting", std::string("speculation { steps: 30 } ") + kOneStepWaited),
            "drafting     1 of 30 steps waited for a draft, and no draft was used\n");
}

}  // namespace
}  // namespace recycling::cli
