#include "verifier/sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "tests/doubles/matchers.h"
#include "verifier/sampling/philox.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PhiloxTest, GivesThePublishedNumbers) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(
      Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
      ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(
      Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(PhiloxTest, UniformDependsOnEveryWordOfSeedAndPosition) {
  const std::set<double> values = {UniformAt(1, 2), UniformAt(1ull << 40, 2), UniformAt(2, 1),
                                   UniformAt(1, 2ull << 32), UniformAt(1, 3)};
  EXPECT_EQ(values.size(), 5u);
  for (const double value : values) {
    EXPECT_GE(value, 0);
    EXPECT_LT(value, 1);
  }
}

constexpr std::uint32_t kVocab = 50;
const std::vector<TokenId> kEos = {48, 49};

// A slow and simple sampler. It sorts all tokens and applies the filters one by one.
TokenId Reference(const std::vector<float>& logits, const TokenHistory& history,
                  const SamplingOptions& options, std::uint64_t position) {
  std::map<TokenId, int> in_output;
  std::set<TokenId> seen(history.prompt.begin(), history.prompt.end());
  std::vector<TokenId> output(history.generated.begin(), history.generated.end());
  output.insert(output.end(), history.path.begin(), history.path.end());
  for (const TokenId token : output) {
    ++in_output[token];
    seen.insert(token);
  }
  struct Item {
    long double logit;
    TokenId id;
    long double weight;
  };
  std::vector<Item> items;
  for (TokenId id = 0; id < logits.size(); ++id) {
    long double x = logits[id];
    for (const auto& [token, bias] : options.logit_bias) {
      if (token == id) x += bias;
    }
    if (seen.contains(id)) {
      x = x > 0 ? x / options.repetition_penalty : x * options.repetition_penalty;
    }
    if (in_output.contains(id)) {
      x -= static_cast<long double>(options.frequency_penalty) * in_output[id];
      x -= options.presence_penalty;
    }
    const bool ends = std::count(kEos.begin(), kEos.end(), id) > 0 ||
                      std::count(options.stop_token_ids.begin(), options.stop_token_ids.end(), id);
    if (ends && output.size() < options.min_tokens) continue;
    items.push_back({x, id, 0});
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.logit > b.logit; });
  if (options.temperature == 0) return items[0].id;
  for (Item& item : items) {
    item.weight = std::exp((item.logit - items[0].logit) / options.temperature);
  }
  const auto sum = [&items] {
    return std::accumulate(items.begin(), items.end(), 0.0L,
                           [](long double so_far, const Item& i) { return so_far + i.weight; });
  };
  if (options.top_k > 0 && options.top_k < items.size()) items.resize(options.top_k);
  if (options.top_p < 1) {
    const long double enough = options.top_p * sum();
    std::size_t keep = 0;
    for (long double running = 0; keep < items.size() && running < enough; ++keep) {
      running += items[keep].weight;
    }
    items.resize(keep);
  }
  while (items.back().weight < options.min_p) items.pop_back();
  const long double target = UniformAt(*options.seed, position) * sum();
  long double running = 0;
  for (const Item& item : items) {
    running += item.weight;
    if (running > target) return item.id;
  }
  return items.back().id;
}

class SamplerTest : public ::testing::Test {
 protected:
  absl::StatusOr<TokenId> Choose(const std::vector<float>& logits, const SamplingOptions& options,
                                 std::uint64_t position = 0, const TokenHistory& history = {},
                                 TokenSet allowed = {}) {
    const auto vocab_size = static_cast<std::uint32_t>(logits.size());
    const auto eos = vocab_size == kVocab ? kEos : std::vector<TokenId>{};
    const auto rules = SamplingRules::Create(options, eos, vocab_size);
    if (!rules.ok()) return rules.status();
    return ChooseToken(logits, history, *rules, position, scratch_, allowed);
  }

  SamplerScratch scratch_;
};

SamplingOptions Sampled(float temperature = 1, std::uint64_t seed = 7) {
  SamplingOptions options;
  options.temperature = temperature;
  options.seed = seed;
  return options;
}

class ReferenceTest : public SamplerTest,
                      public ::testing::WithParamInterface<
                          std::pair<const char*, void (*)(SamplingOptions&, std::mt19937&)>> {};

TEST_P(ReferenceTest, ChoosesTheTokensOfTheSlowReference) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 2);
  const auto tokens = [&](std::size_t count) {
    std::vector<TokenId> ids(count);
    for (TokenId& id : ids) id = static_cast<TokenId>(random() % kVocab);
    return ids;
  };
  std::set<TokenId> chosen;
  for (std::uint64_t round = 0; round < 400; ++round) {
    SamplingOptions options = Sampled(round % 4 == 0 ? 0.0f : 1.0f, random());
    GetParam().second(options, random);
    std::vector<float> logits(kVocab);
    for (float& logit : logits) logit = normal(random);
    if (round % 3 == 0) {
      for (float& logit : logits) logit = std::round(logit);  // ties
    }
    const auto prompt = tokens(random() % 20);
    const auto generated = tokens(random() % 20);
    const auto path = tokens(random() % 4);
    const TokenHistory history = {prompt, generated, path};
    const auto got = Choose(logits, options, round, history);
    ASSERT_THAT(got, IsOk());
    ASSERT_EQ(*got, Reference(logits, history, options, round)) << "round " << round;
    chosen.insert(*got);
  }
  EXPECT_GT(chosen.size(), 10u);
}

using Setter = void (*)(SamplingOptions&, std::mt19937&);
float Fraction(std::mt19937& random) { return static_cast<float>(1 + random() % 100) / 100; }

INSTANTIATE_TEST_SUITE_P(
    Options, ReferenceTest,
    ::
        testing::Values(std::pair<const char*, Setter>{"none",
                                                       [](SamplingOptions&, std::mt19937&) {}},
                        std::pair<const char*, Setter>{"temperature",
                                                       [](SamplingOptions& o, std::mt19937& r) {
                                                         o.temperature = 5 * Fraction(r);
                                                       }},
                        std::
                            pair<const char*, Setter>{
                                "bias",
                                [](SamplingOptions& o, std::mt19937& r) {
                                  o.logit_bias = {{3, 4}, {static_cast<TokenId>(r() % 3), -9}};
                                }},
                        std::pair<const char*, Setter>{"repetition",
                                                       [](SamplingOptions& o, std::mt19937& r) {
                                                         o.repetition_penalty = 3 * Fraction(r);
                                                       }},
                        std::pair<const char*, Setter>{"frequency",
                                                       [](SamplingOptions& o, std::mt19937& r) {
                                                         o.frequency_penalty = 2 - 4 * Fraction(r);
                                                       }},
                        std::pair<const char*, Setter>{"presence",
                                                       [](SamplingOptions& o, std::mt19937& r) {
                                                         o.presence_penalty = 2 - 4 * Fraction(r);
                                                       }},
                        std::pair<const char*, Setter>{"min_tokens",
                                                       [](SamplingOptions& o, std::mt19937& r) {
                                                         o.min_tokens =
                                                             static_cast<std::uint32_t>(r() % 40);
                                                         o.stop_token_ids = {1, 2, 3};
                                                       }},
                        std::pair<const char*, Setter>{"top_k",
                                                       [](SamplingOptions& o, std::mt19937& r) {
                                                         o.top_k = static_cast<std::uint32_t>(
                                                             r() % (kVocab + 3));
                                                       }},
                        std::pair<const char*, Setter>{
                            "top_p",
                            [](SamplingOptions& o, std::mt19937& r) { o.top_p = Fraction(r); }},
                        std::pair<const char*, Setter>{
                            "min_p",
                            [](SamplingOptions& o, std::mt19937& r) { o.min_p = Fraction(r) / 5; }},
                        std::pair<const char*, Setter>{"all",
                                                       [](SamplingOptions& o, std::mt19937& r) {
                                                         o.temperature *= 3 * Fraction(r);
                                                         o.logit_bias = {{3, 4}, {9, -2}};
                                                         o.repetition_penalty = 1.3f;
                                                         o.frequency_penalty = 0.2f;
                                                         o.presence_penalty = 0.1f;
                                                         o.min_tokens = 10;
                                                         o.top_k =
                                                             static_cast<std::uint32_t>(r() % 40);
                                                         o.top_p = 0.5f + Fraction(r) / 2;
                                                         o.min_p = Fraction(r) / 20;
                                                       }}),
    [](const auto& test) { return test.param.first; });

TEST_F(SamplerTest, LargeVocabulariesEqualTheSlowReference) {
  // The sampler sorts candidates lazily, in steps. Here it needs more than one step.
  std::mt19937 random(9);
  std::vector<float> logits(3000);
  for (float& logit : logits) logit = static_cast<float>(random() % 100) / 50;
  for (std::uint64_t position = 0; position < 60; ++position) {
    SamplingOptions options = Sampled(1.5f);
    if (position % 3 == 1) options.top_k = 1000;
    if (position % 3 == 2) options.top_p = 0.7f;
    const auto got = Choose(logits, options, position);
    ASSERT_THAT(got, IsOk());
    ASSERT_EQ(*got, Reference(logits, {}, options, position)) << position;
  }
}

TEST_F(SamplerTest, DrawsFollowTheTargetDistribution) {
  const std::vector<float> logits = {0, 1, -1, 2, 0.5f, -2, 1.5f, 0, 1, -0.5f};
  constexpr int kDraws = 40000;
  const SamplingOptions base = Sampled(0.8f);
  std::vector<double> expected(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) sum += expected[i] = std::exp(logits[i] / 0.8);
  for (const bool vary_seed : {false, true}) {
    std::vector<int> counts(logits.size());
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      SamplingOptions options = base;
      if (vary_seed) options.seed = i;
      ++counts[*Choose(logits, options, vary_seed ? 5 : i)];
    }
    double chi_square = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double mean = kDraws * expected[i] / sum;
      chi_square += (counts[i] - mean) * (counts[i] - mean) / mean;
    }
    EXPECT_LT(chi_square, 27.9) << "9 degrees of freedom, p = 0.001";
  }
}

TEST_F(SamplerTest, ScratchDoesNotChangeAChoice) {
  std::mt19937 random(3);
  SamplingOptions options = Sampled();
  options.frequency_penalty = 0.5f;
  options.top_p = 0.9f;
  const std::vector<TokenId> generated = {1, 2, 2, 49};
  for (std::uint64_t position = 0; position < 50; ++position) {
    std::vector<float> logits(kVocab);
    for (float& logit : logits) logit = static_cast<float>(random() % 7);
    const auto used = Choose(logits, options, position, {generated, generated, {}});
    scratch_ = {};
    const auto fresh = Choose(logits, options, position, {generated, generated, {}});
    ASSERT_THAT(used, IsOk());
    EXPECT_EQ(*used, *fresh);
    // Between the choices, a larger or a smaller vocabulary uses the same scratch memory.
    ASSERT_THAT(Choose(std::vector<float>(position % 2 == 0 ? 3 : 90, 1.0f), options, position),
                IsOk());
  }
}

TEST_F(SamplerTest, GreedyTiesGoToTheLowerId) {
  EXPECT_EQ(*Choose({1, 5, 5, 2}, {}), 1u);
  SamplingOptions biased;
  biased.logit_bias = {{3, 3}};
  EXPECT_EQ(*Choose({1, 4, 5, 2}, biased), 2u);
}

TEST_F(SamplerTest, TopKOneIsGreedyAtAnyTemperature) {
  SamplingOptions options = Sampled(100);
  options.top_k = 1;
  for (std::uint64_t position = 0; position < 50; ++position) {
    EXPECT_EQ(*Choose({1, 5, 5, 2}, options, position), 1u);
  }
}

TEST_F(SamplerTest, ExtremeLogitsAndTemperaturesWork) {
  const float max = std::numeric_limits<float>::max();
  const std::vector<float> wide = {-max, max, 0, -max};
  for (const float temperature : {1e-45f, 1e-6f, 1.0f, 100.0f}) {
    EXPECT_EQ(*Choose(wide, Sampled(temperature)), 1u);
    // Equal logits are equally likely at any temperature.
    std::set<TokenId> chosen;
    for (std::uint64_t position = 0; position < 50; ++position) {
      chosen.insert(*Choose({max, max, -max}, Sampled(temperature), position));
    }
    EXPECT_THAT(chosen, ElementsAre(0, 1));
  }
  SamplingOptions penalties = Sampled();
  penalties.logit_bias = {{0, 1000}, {1, -1000}};
  penalties.frequency_penalty = 100;
  const std::vector<TokenId> generated(1000, 1);
  for (const float repetition : {1e-45f, 100.0f}) {
    penalties.repetition_penalty = repetition;
    EXPECT_THAT(Choose(wide, penalties, 0, {generated, generated, {}}), IsOk());
  }
}

TEST_F(SamplerTest, TinyTopPAndFullMinPKeepTheMostProbable) {
  SamplingOptions options = Sampled();
  options.top_p = 1e-30f;
  EXPECT_EQ(*Choose({1, 1, 2, 2}, options, 3), 2u);
  options.top_p = 1;
  options.min_p = 1;
  std::set<TokenId> chosen;
  for (std::uint64_t position = 0; position < 50; ++position) {
    chosen.insert(*Choose({1, 1, 2, 2}, options, position));
  }
  EXPECT_THAT(chosen, ElementsAre(2, 3));
}

TEST_F(SamplerTest, LogitsThatAreNotFiniteAreAnInternalError) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const SamplingOptions& options : {SamplingOptions{}, Sampled()}) {
      const auto got = Choose({0, bad, 1}, options);
      EXPECT_THAT(got, StatusIs(absl::StatusCode::kInternal, HasSubstr("for token 1")));
    }
  }
}

TEST_F(SamplerTest, AMaskOfEveryTokenIsRefused) {
  SamplingOptions options;
  options.min_tokens = 1;
  options.stop_token_ids = {0, 1, 2};
  EXPECT_THAT(Choose({0, 1, 2}, options), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(SamplingRulesTest, RefusesOptionsOutOfRangeAndAMissingSeed) {
  SamplingOptions options = Sampled();
  EXPECT_THAT(SamplingRules::Create(options, kEos, kVocab), IsOk());
  options.seed.reset();
  EXPECT_THAT(SamplingRules::Create(options, kEos, kVocab),
              StatusIs(absl::StatusCode::kInvalidArgument));
  options.temperature = 0;
  EXPECT_THAT(SamplingRules::Create(options, kEos, kVocab), IsOk());
  options.top_p = 2;
  EXPECT_THAT(SamplingRules::Create(options, kEos, kVocab),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(SamplingRulesTest, MinTokensMasksEosEvenWithIgnoreEos) {
  SamplingOptions options;
  options.ignore_eos = true;
  options.stop_token_ids = {5};
  const auto rules = *SamplingRules::Create(options, kEos, kVocab);
  EXPECT_TRUE(rules.Stops(5));
  EXPECT_FALSE(rules.Stops(49));
  EXPECT_THAT(rules.late_ids, ElementsAre(5, 48, 49));
}

std::vector<std::uint64_t> SetOfTokens(const std::vector<TokenId>& tokens) {
  std::vector<std::uint64_t> words((kVocab + 63) / 64);
  for (const TokenId token : tokens) words[token / 64] |= std::uint64_t{1} << (token % 64);
  return words;
}

// A bias of -1000 gives all other tokens a weight of zero.
TEST_F(SamplerTest, AMaskActsAsABiasAgainstAllOtherTokens) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 2);
  for (std::uint64_t round = 0; round < 300; ++round) {
    SamplingOptions options = Sampled(round % 3 == 0 ? 0.0f : 1.0f, random());
    options.top_k = round % 4 == 0 ? 3 : 0;
    options.top_p = round % 5 == 0 ? 0.7f : 1.0f;
    options.min_p = round % 7 == 0 ? 0.1f : 0.0f;
    std::vector<float> logits(kVocab);
    for (float& logit : logits) logit = normal(random);
    std::vector<TokenId> allowed;
    SamplingOptions biased = options;
    for (TokenId token = 0; token < kVocab; ++token) {
      if (random() % 8 == 0 || token == round % kVocab) {
        allowed.push_back(token);
      } else {
        biased.logit_bias.emplace_back(token, -1000.0f);
      }
    }
    const auto expected = Choose(logits, biased, round);
    const auto got = Choose(logits, options, round, {}, SetOfTokens(allowed));
    ASSERT_THAT(got, IsOk());
    EXPECT_EQ(*got, *expected) << "round " << round;
  }
}

TEST_F(SamplerTest, AConstraintWinsOverMinTokensAndBiases) {
  std::vector<float> logits(kVocab, 0);
  logits[7] = 5;
  SamplingOptions options;
  options.min_tokens = 3;
  options.logit_bias = {{kEos[0], -1000.0f}};
  EXPECT_EQ(*Choose(logits, options, 0, {}, SetOfTokens({kEos[0]})), kEos[0]);
  EXPECT_EQ(*Choose(logits, options, 0, {}, SetOfTokens({kEos[0], 9})), 9u);
  EXPECT_EQ(*Choose(logits, options, 0, {}, SetOfTokens({7, 9})), 7u);
  const auto none = Choose(logits, options, 0, {}, SetOfTokens({}));
  EXPECT_EQ(none.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(none.status().message()), ::testing::HasSubstr("constraint: no token"));
}

}  // namespace
}  // namespace recycling::verifier
