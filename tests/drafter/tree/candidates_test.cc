#include "drafter/tree/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;

// Names the same tokens after every node.
class Says final : public CandidateSource {
 public:
  Says(DraftSource origin, std::vector<std::pair<TokenId, std::uint8_t>> names, std::uint8_t others)
      : origin_(origin), names_(std::move(names)), others_(others) {}
  DraftSource origin() const override { return origin_; }
  std::size_t classes() const override { return 10; }
  double Prior(std::uint8_t) const override { return 0.5; }
  void Candidates(const DraftPath&, SourceAnswer* answer) const override {
    for (const auto& [token, token_class] : names_) answer->Name(token, token_class);
    answer->other_class = others_;
  }
  void Observe(const ObservedStep&) override {}

 private:
  const DraftSource origin_;
  const std::vector<std::pair<TokenId, std::uint8_t>> names_;
  const std::uint8_t others_;
};

TEST(CandidateFinderTest, MergesATokenOfSeveralSourcesIntoOneCandidate) {
  CandidateSources sources;
  using Names = std::vector<std::pair<TokenId, std::uint8_t>>;
  sources.push_back(std::make_unique<Says>(DraftSource::kMatrix, Names{{5, 0}, {6, 1}}, 9));
  sources.push_back(std::make_unique<Says>(DraftSource::kRecent, Names{}, 8));
  sources.push_back(std::make_unique<Says>(DraftSource::kSequence, Names{{7, 2}, {6, 3}}, 4));
  const std::vector<TokenId> root = {1};
  CandidateFinder finder;
  for (int again = 0; again < 2; ++again) {
    const std::span<const Candidate> found =
        finder.Find(sources, {.committed = {}, .drafted = root});
    ASSERT_EQ(found.size(), 3u);
    const std::vector<TokenId> tokens = {5, 6, 7};
    constexpr DraftSourceSet kMatrix = SetOf(DraftSource::kMatrix);
    constexpr DraftSourceSet kSequence = SetOf(DraftSource::kSequence);
    const std::vector<DraftSourceSet> origins = {kMatrix, kMatrix | kSequence, kSequence};
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(found[i].token, tokens[i]);
      EXPECT_EQ(found[i].rank, i);
      EXPECT_EQ(found[i].origins, origins[i]);
    }
    EXPECT_THAT(found[0].classes, ElementsAre(0, 8, 4, 0, 0, 0, 0, 0));
    EXPECT_THAT(found[1].classes, ElementsAre(1, 8, 3, 0, 0, 0, 0, 0));
    EXPECT_THAT(found[2].classes, ElementsAre(9, 8, 2, 0, 0, 0, 0, 0));
    for (const Candidate& candidate : found) EXPECT_EQ(candidate.answered_by, 1 | 4);
    EXPECT_TRUE(found[2].AnsweredBy(0));
    EXPECT_FALSE(found[2].AnsweredBy(1));
  }
}

TEST(DraftPathTest, GivesTheTokensBeforeTheNode) {
  const std::vector<TokenId> committed = {1, 2}, drafted = {3, 4};
  const DraftPath path = {.committed = committed, .drafted = drafted};
  EXPECT_EQ(path.last(), 4u);
  EXPECT_EQ(path.Before(0), 4u);
  EXPECT_EQ(path.Before(1), 3u);
  EXPECT_EQ(path.Before(2), 2u);
  EXPECT_EQ(path.Before(3), 1u);
  EXPECT_EQ(path.Before(4), std::nullopt);
}

}  // namespace
}  // namespace recycling::drafter
