#include "drafter/sources/draft_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "drafter/sources/history_source.h"
#include "tests/doubles/matchers.h"
#include "tests/drafter/sources/source_names.h"

namespace recycling::drafter {
namespace {

using doubles::IsOkAndHolds;
using doubles::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Words = std::vector<std::string>;

constexpr std::size_t kSources = 4;

class DraftSourcesTest : public ::testing::Test {
 protected:
  // Teaches sources a step of the sequence 1 2 1 2 1.
  CandidateSources Taught(DraftSourceSet on) {
    CandidateSources sources = MakeSources(&matrix_, &pairs_, {.base = &base_, .on = on});
    const std::vector<TokenId> committed = {1, 2, 1, 2, 1};
    const Observation rows = {
        .tokens = {2}, .candidates = {2, {1, 5}}, .accepted_path = {0}, .parents = {-1}};
    for (const auto& source : sources) {
      source->Observe({.rows = &rows, .committed = committed, .fresh = 5, .root = 3});
    }
    return sources;
  }

  static Names After12(const CandidateSource& source) {
    const std::vector<TokenId> committed = {1, 2, 1, 2}, drafted = {1, 2};
    SourceAnswer answer;
    source.Candidates({.committed = committed, .drafted = drafted}, &answer);
    return ListOf(answer);
  }

  AdjacencyMatrix matrix_{20, 2};
  AdjacencyMatrix base_{20, 2};
  PairMatrix pairs_{2};
};

TEST_F(DraftSourcesTest, ASourceThatIsOffNamesNothingAndKeepsItsPlaceAndClasses) {
  const CandidateSources all = Taught(kAllDraftSources);
  ASSERT_EQ(all.size(), kSources);
  for (std::size_t off = 0; off < kSources; ++off) {
    EXPECT_THAT(After12(*all[off]), Not(IsEmpty())) << off;
    const CandidateSources some =
        Taught(static_cast<DraftSourceSet>(kAllDraftSources & ~SetOf(all[off]->origin())));
    ASSERT_EQ(some.size(), kSources);
    for (std::size_t j = 0; j < kSources; ++j) {
      EXPECT_EQ(some[j]->origin(), all[j]->origin());
      EXPECT_EQ(some[j]->classes(), all[j]->classes());
      EXPECT_EQ(some[j]->Prior(0), all[j]->Prior(0));
      if (j == off) continue;
      EXPECT_EQ(After12(*some[j]), After12(*all[j])) << off << " " << j;
    }
    EXPECT_THAT(After12(*some[off]), IsEmpty()) << off;
    EXPECT_EQ(AnswerOf(*some[off], {1}).other_class, kNoMatchClass);
  }
}

TEST_F(DraftSourcesTest, ASourceThatIsOffLearnsNothingAndReadsNoBaseRows) {
  base_.WriteRow(2, std::vector<TokenId>{7, 8});
  const CandidateSources sources = Taught(SetOf(DraftSource::kSequence));
  EXPECT_EQ(matrix_.rows_filled(), 0u);
  EXPECT_EQ(pairs_.rows_filled(), 0u);
  EXPECT_THAT(After12(*sources[1]), IsEmpty());
  Taught(SetOf(DraftSource::kMatrix) | SetOf(DraftSource::kPair));
  EXPECT_EQ(matrix_.rows_filled(), 1u);
  EXPECT_EQ(pairs_.rows_filled(), 1u);
}

TEST_F(DraftSourcesTest, ReadsNames) {
  EXPECT_THAT(DraftSourcesFromNames(Words{"pairs", "matrix", "history", "recent"}),
              IsOkAndHolds(kAllDraftSources));
  EXPECT_THAT(DraftSourcesFromNames(Words{"history"}), IsOkAndHolds(SetOf(DraftSource::kSequence)));
  EXPECT_THAT(DraftSourcesFromNames(Words{"recent", "pairs", "recent"}),
              IsOkAndHolds(SetOf(DraftSource::kRecent) | SetOf(DraftSource::kPair)));
}

TEST_F(DraftSourcesTest, RefusesEmptyAndUnknownNames) {
  const auto refuses = [](const Words& names, const std::string& got) {
    EXPECT_THAT(DraftSourcesFromNames(names),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("--draft_sources: got " + got + ", expected"),
                               HasSubstr("pairs, matrix, history and recent"))));
  };
  refuses({}, "none");
  refuses({""}, "\"\"");
  refuses({"pairs", ""}, "\"\"");
  refuses({"pairs", "Matrix"}, "\"Matrix\"");
  refuses({"a\n"}, "\"a\\n\"");
}

}  // namespace
}  // namespace recycling::drafter
