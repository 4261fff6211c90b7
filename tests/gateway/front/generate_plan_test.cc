#include "gateway/front/generate_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/doubles/matchers.h"
#include "tests/doubles/toy_model.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kContext = 100;

class PlanDecodeTest : public ::testing::Test {
 protected:
  absl::StatusOr<DecodeRequest> Plan(GenerateOptions options) {
    return PlanDecode(std::move(options), *tokenizer_, kContext, defaults_, [this] {
      ++seeds_drawn_;
      return random_;
    });
  }

  void ExpectInvalid(GenerateOptions options, const std::string& message) {
    EXPECT_THAT(Plan(std::move(options)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }

  std::unique_ptr<const Tokenizer> tokenizer_ =
      *Tokenizer::Create(doubles::ToyModel().MakeTokenizerData());
  RequestDefaults defaults_;
  std::uint64_t random_ = 1;
  int seeds_drawn_ = 0;
};

const std::vector<TokenId> kIds = {5, 6, 7};

TEST_F(PlanDecodeTest, FillsEveryDefault) {
  const auto plan = Plan({.prompt = kIds});
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->prompt_ids, kIds);
  EXPECT_EQ(plan->max_tokens, 97u);
  EXPECT_EQ(plan->sampling.seed, 1u);
  EXPECT_EQ(plan->speculation, Speculation::kAuto);
  EXPECT_EQ(plan->node_budget, 80);
  EXPECT_EQ(plan->learn_last, 0u);
  EXPECT_EQ(plan->scope, MatrixScope::kTenant);
  EXPECT_EQ(plan->tenant, "default");
}

TEST_F(PlanDecodeTest, ReadsControlTokensInAPromptOnlyIfTheClientAsks) {
  const auto plain = Plan({.prompt = "a</s>b"});
  const auto parsed = Plan({.prompt = "a</s>b", .parse_control = true, .trace = true});
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(parsed, IsOk());
  constexpr TokenId kEndOfText = 2;  // </s> of the toy model
  EXPECT_THAT(plain->prompt_ids, ::testing::Not(::testing::Contains(kEndOfText)));
  EXPECT_THAT(parsed->prompt_ids, ::testing::Contains(kEndOfText));
  EXPECT_FALSE(plain->trace);
  EXPECT_TRUE(parsed->trace);
}

TEST_F(PlanDecodeTest, ADrawnSeedHasAtMost53Bits) {
  random_ = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(Plan({.prompt = kIds})->sampling.seed, (std::uint64_t{1} << 53) - 1);
  EXPECT_EQ(Plan({.prompt = kIds, .sampling = {.seed = random_}})->sampling.seed, random_)
      << "the gateway must not change a seed of the client";
}

TEST_F(PlanDecodeTest, WithoutMaxTokensTheDefaultIsCutToTheContext) {
  defaults_.max_tokens = 50;
  EXPECT_EQ(Plan({.prompt = kIds})->max_tokens, 50u);
  EXPECT_EQ(Plan({.prompt = kIds})->sampling.max_tokens, 50u);
  EXPECT_EQ(Plan({.prompt = std::vector<TokenId>(60, 5)})->max_tokens, 40u);
  EXPECT_EQ(Plan({.prompt = kIds, .sampling = {.max_tokens = 90}})->max_tokens, 90u);
  EXPECT_EQ(Plan({.prompt = kIds, .sampling = {.min_tokens = 70}})->max_tokens, 70u);
  defaults_.max_tokens = 0;
  EXPECT_EQ(Plan({.prompt = kIds})->max_tokens, 97u)
      << "with the default 0 the context is the limit";
  EXPECT_EQ(RequestDefaults().max_tokens, 512u);
}

TEST_F(PlanDecodeTest, KeepsTheOptionsOfTheRequest) {
  const auto plan = Plan({.prompt = kIds,
                          .sampling = {.seed = 0, .max_tokens = 97},
                          .stop = {"a", "b"},
                          .speculation = Speculation::kOff,
                          .node_budget = 0,
                          .scope = MatrixScope::kRequest,
                          .learn_from_prompt = true,
                          .learn_last = 2});
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->sampling.seed, 0u);
  EXPECT_EQ(seeds_drawn_, 0);
  EXPECT_THAT(plan->stop, ElementsAre("a", "b"));
  EXPECT_EQ(plan->speculation, Speculation::kOff);
  EXPECT_EQ(plan->node_budget, 0);
  EXPECT_EQ(plan->scope, MatrixScope::kRequest);
  EXPECT_EQ(plan->learn_last, 2u);
}

TEST_F(PlanDecodeTest, LearnsTheWholePromptUnlessLearnLastIsSet) {
  EXPECT_EQ(Plan({.prompt = kIds, .learn_from_prompt = true})->learn_last,
            std::numeric_limits<std::uint32_t>::max());
  EXPECT_EQ(Plan({.prompt = kIds, .learn_last = 2})->learn_last, 0u);
}

TEST_F(PlanDecodeTest, ABudgetAboveTheLargestIntIsCut) {
  EXPECT_EQ(Plan({.prompt = kIds, .node_budget = 4'294'967'295u})->node_budget,
            std::numeric_limits<int>::max());
}

TEST_F(PlanDecodeTest, TokenizesTextByTheRulesOfTheModelWithoutControlTokens) {
  const auto plan = Plan({.prompt = std::string("</s>")});
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->prompt_ids[0], 1u);  // <s>
  EXPECT_GT(plan->prompt_ids.size(), 3u) << "the text </s> must become four characters";
}

TEST_F(PlanDecodeTest, RefusesInvalidPrompts) {
  ExpectInvalid({}, "got neither prompt nor prompt_ids");
  ExpectInvalid({.prompt = std::vector<TokenId>()}, "prompt: got no tokens");
  ExpectInvalid({.prompt = std::vector<TokenId>{5, 320}}, "prompt_ids: got token id 320");
  ExpectInvalid({.prompt = std::vector<TokenId>(100, 5)}, "prompt: got 100 tokens");
  ExpectInvalid({.prompt = std::string("a\xFF")}, "");
  EXPECT_EQ(Plan({.prompt = std::vector<TokenId>(99, 5)})->max_tokens, 1u);
}

TEST_F(PlanDecodeTest, TextThatCannotFitIsRefusedBeforeItIsTokenized) {
  const auto refusal = [this](std::size_t bytes, std::uint32_t context) {
    return PlanDecode({.prompt = std::string(bytes, 'a')}, *tokenizer_, context,
                      RequestDefaults{.max_prompt_bytes = 1000}, [] { return 1; })
        .status();
  };
  EXPECT_THAT(refusal(1601, 100), StatusIs(absl::StatusCode::kInvalidArgument,
                                           "prompt: got 1601 bytes, expected at most 1600"));
  EXPECT_THAT(refusal(1600, 100), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("expected at most 99 in a context of 100")));
  EXPECT_THAT(refusal(1001, 10), StatusIs(absl::StatusCode::kInvalidArgument,
                                          "prompt: got 1001 bytes, expected at most 1000"));
}

TEST_F(PlanDecodeTest, RefusesOptionsOutOfRange) {
  ExpectInvalid({.prompt = kIds, .sampling = {.max_tokens = 98}},
                "max_tokens: got 98, expected at most 97");
  ExpectInvalid({.prompt = kIds, .sampling = {.min_tokens = 98}}, "min_tokens: got 98");
  ExpectInvalid({.prompt = kIds, .sampling = {.temperature = 101}}, "temperature");
  ExpectInvalid({.prompt = kIds, .stop = std::vector<std::string>(17, "x")},
                "stop: got 17 strings");
  ExpectInvalid({.prompt = kIds, .stop = {""}}, "stop: got a string of 0 bytes");
  ExpectInvalid({.prompt = kIds, .stop = {std::string(1025, 'x')}}, "1025 bytes");
  EXPECT_THAT(Plan({.prompt = kIds, .stop = std::vector<std::string>(16, std::string(1024, 'x'))}),
              IsOk());
}

}  // namespace
}  // namespace recycling::gateway
