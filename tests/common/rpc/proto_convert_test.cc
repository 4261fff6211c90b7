#include "common/rpc/proto_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/doubles/matchers.h"
#include "tests/doubles/proto_matchers.h"

namespace recycling {
namespace {

using doubles::EqualsProto;
using doubles::IsOk;
using doubles::IsOkAndHolds;
using doubles::ParseProto;
using doubles::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;

namespace pb = common::v1;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

absl::StatusOr<DraftTree> Tree(const std::string& text) {
  return DraftTreeFromProto(ParseProto<pb::DraftTree>(text));
}

TEST(DraftTreeConvertTest, JoinsTheRootWithTheArraysAndSplitsThemAgain) {
  const std::string text = R"pb(
    base: 9
    root: 1
    tokens: [ 2, 3, 4 ]
    parents: [ 0, 0, 1 ]
    ranks: [ 0, 1, 0 ]
    sources: [ 2, 20, 8 ]
    probabilities: [ 0.5, 0.25, 1 ])pb";
  const auto tree = Tree(text);
  ASSERT_THAT(tree, IsOk());
  EXPECT_EQ(tree->base, 9u);
  EXPECT_THAT(tree->tokens, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(tree->parents, ElementsAre(-1, 0, 0, 1));
  EXPECT_THAT(tree->ranks, ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(tree->sources, ElementsAre(0, SetOf(DraftSource::kMatrix),
                                         SetOf(DraftSource::kSequence) | SetOf(DraftSource::kPair),
                                         SetOf(DraftSource::kRecent)));
  EXPECT_THAT(tree->probabilities, ElementsAre(1, 0.5, 0.25, 1));
  EXPECT_THAT(ValidateTree(*tree, 5, 3), IsOk());
  pb::DraftTree back;
  back.add_tokens(99);  // this is overwritten
  DraftTreeToProto(*tree, &back);
  EXPECT_THAT(back, EqualsProto(ParseProto<pb::DraftTree>(text)));
}

TEST(DraftTreeConvertTest, AcceptsOnlyARootAndTreesWithoutRanksAndSources) {
  EXPECT_THAT(Tree("base: 3 root: 7"), IsOkAndHolds(DraftTree::Root(3, 7)));
  const auto bare = Tree("base: 3 root: 7 tokens: 1 parents: 0");
  ASSERT_THAT(bare, IsOk());
  EXPECT_THAT(bare->ranks, testing::IsEmpty());
  pb::DraftTree back;
  DraftTreeToProto(*bare, &back);
  EXPECT_EQ(back.ranks_size() + back.sources_size() + back.probabilities_size(), 0);
}

TEST(DraftTreeConvertTest, RefusesArraysOfDifferentLengthsAndParentsAboveIntMax) {
  EXPECT_THAT(Tree("tokens: [ 1, 2 ] parents: 0"),
              StatusIs(kInvalid, "draft tree: got 1 parents for 2 drafted nodes"));
  EXPECT_THAT(Tree("tokens: 1 parents: [ 0, 0 ]"), StatusIs(kInvalid, HasSubstr("got 2 parents")));
  EXPECT_THAT(Tree("tokens: 1 parents: 0 ranks: [ 0, 1 ]"),
              StatusIs(kInvalid, "draft tree: got 2 ranks for 1 drafted nodes"));
  EXPECT_THAT(Tree("sources: 2"),
              StatusIs(kInvalid, "draft tree: got 1 sources for 0 drafted nodes"));
  EXPECT_THAT(Tree("probabilities: 0.5"),
              StatusIs(kInvalid, "draft tree: got 1 probabilities for 0 drafted nodes"));
  EXPECT_THAT(Tree("tokens: 1 parents: 2147483648"),
              StatusIs(kInvalid, HasSubstr("got parent 2147483648")));
}

TEST(DraftTreeConvertTest, IgnoresUnknownSources) {
  pb::DraftTree proto = ParseProto<pb::DraftTree>("tokens: 1 parents: 0");
  proto.mutable_sources()->Add(0xffffff02);
  const auto tree = DraftTreeFromProto(proto);
  ASSERT_THAT(tree, IsOk());
  EXPECT_EQ(tree->sources[1], SetOf(DraftSource::kMatrix));
}

TEST(CandidatesConvertTest, AcceptsExactlyTheExpectedNumberOfRows) {
  const auto proto = ParseProto<pb::Candidates>("k: 2 ids: [ 4, 3, 9, 0 ]");
  const auto candidates = CandidatesFromProto(proto, 2, 10);
  EXPECT_THAT(candidates, IsOkAndHolds(Candidates{.k = 2, .ids = {4, 3, 9, 0}}));
  pb::Candidates back;
  CandidatesToProto(*candidates, &back);
  EXPECT_THAT(back, EqualsProto(proto));
  EXPECT_THAT(CandidatesFromProto(ParseProto<pb::Candidates>("k: 64"), 0, 10), IsOk());
}

TEST(CandidatesConvertTest, RefusesHostileCountsAndUnknownIds) {
  const auto convert = [](const std::string& text, std::size_t rows) {
    return CandidatesFromProto(ParseProto<pb::Candidates>(text), rows, 10);
  };
  EXPECT_THAT(convert("", 0), StatusIs(kInvalid, "candidates: got k 0, expected 1 to 64"));
  EXPECT_THAT(convert("k: 65", 0), StatusIs(kInvalid, "candidates: got k 65, expected 1 to 64"));
  EXPECT_THAT(convert("k: 4294967295 ids: 1", 1), StatusIs(kInvalid, HasSubstr("4294967295")));
  EXPECT_THAT(convert("k: 2 ids: [ 1, 2, 3 ]", 2),
              StatusIs(kInvalid, "candidates: got 3 ids, expected 2 rows of 2"));
  EXPECT_THAT(convert("k: 2 ids: [ 1, 2 ]", 0), StatusIs(kInvalid, HasSubstr("0 rows")));
  EXPECT_THAT(convert("k: 2 ids: [ 1, 10 ]", 1),
              StatusIs(kInvalid, "candidates: got token id 10, expected less than 10"));
}

TEST(SamplingOptionsConvertTest, AnAbsentFieldIsTheDefaultAndAZeroIsNot) {
  EXPECT_EQ(SamplingOptionsFromProto({}), SamplingOptions());
  const auto zeros = SamplingOptionsFromProto(ParseProto<pb::SamplingOptions>(
      "top_p: 0 repetition_penalty: 0 seed: 0 max_tokens: 0 top_logprobs: 0"));
  EXPECT_EQ(zeros.top_p, 0);
  EXPECT_EQ(zeros.repetition_penalty, 0);
  EXPECT_EQ(zeros.seed, 0u);
  EXPECT_EQ(zeros.max_tokens, 0u);
  EXPECT_EQ(zeros.top_logprobs, 0u);
}

TEST(SamplingOptionsConvertTest, ConvertsEveryFieldBothWays) {
  const SamplingOptions options{.temperature = 0.5f,
                                .top_k = 40,
                                .top_p = 0.9f,
                                .min_p = 0.1f,
                                .repetition_penalty = 1.1f,
                                .frequency_penalty = 0.2f,
                                .presence_penalty = -0.3f,
                                .logit_bias = {{3, 1}, {4, -1}},
                                .seed = 1ull << 63,
                                .max_tokens = 7,
                                .min_tokens = 2,
                                .stop_token_ids = {5, 6},
                                .ignore_eos = true,
                                .top_logprobs = 3,
                                .constraint = TextConstraint{.text = "{}"}};
  pb::SamplingOptions proto;
  SamplingOptionsToProto(options, &proto);
  // Every field of the message must be set.
  const auto* descriptor = proto.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    EXPECT_TRUE(field->is_repeated() ? proto.GetReflection()->FieldSize(proto, field) > 0
                                     : proto.GetReflection()->HasField(proto, field))
        << field->name();
  }
  EXPECT_EQ(SamplingOptionsFromProto(proto), options);
  using Kind = TextConstraint::Kind;
  for (const Kind kind : {Kind::kJsonSchema, Kind::kPattern, Kind::kGrammar}) {
    SamplingOptions constrained;
    constrained.constraint = TextConstraint{.kind = kind, .text = "x"};
    SamplingOptionsToProto(constrained, &proto);
    EXPECT_EQ(SamplingOptionsFromProto(proto), constrained);
  }
  // A constraint without a form is no absent one. It is refused when it is compiled.
  proto.mutable_constraint()->clear_form();
  EXPECT_EQ(SamplingOptionsFromProto(proto).constraint, TextConstraint());
}

TEST(ModelIdentityConvertTest, ConvertsBothWays) {
  const ModelIdentity identity{
      .model_id = "toy", .vocab_size = 9, .tokenizer_digest = std::string("\0\xFF", 2)};
  pb::ModelIdentity proto;
  ModelIdentityToProto(identity, &proto);
  EXPECT_EQ(ModelIdentityFromProto(proto), identity);
}

TEST(TokenLogprobConvertTest, ConvertsBothWays) {
  const TokenLogprob logprob{.token = 3, .logprob = -0.5f, .top = {{3, -0.5f}, {1, -2}}};
  pb::TokenLogprob proto;
  proto.add_top();  // this is overwritten
  TokenLogprobToProto(logprob, &proto);
  EXPECT_EQ(TokenLogprobFromProto(proto), logprob);
}

TEST(MicrosFromProtoTest, BoundsTheDurationsOfAPeer) {
  EXPECT_EQ(MicrosFromProto(0), absl::ZeroDuration());
  EXPECT_EQ(MicrosFromProto(7), absl::Microseconds(7));
  EXPECT_EQ(MicrosFromProto(86'400'000'000), kLongestTold);
  EXPECT_EQ(MicrosFromProto(86'400'000'001), kLongestTold);
  EXPECT_EQ(MicrosFromProto(std::numeric_limits<std::uint64_t>::max()), kLongestTold);
}

}  // namespace
}  // namespace recycling
