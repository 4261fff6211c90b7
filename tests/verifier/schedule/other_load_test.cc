#include "verifier/schedule/other_load.h"

#include <gtest/gtest.h>

namespace recycling::verifier {
namespace {

constexpr absl::Duration kPass = absl::Milliseconds(1);

// Records passes of several sequences. mean_ belongs to one of them, which the helpers call "the
// sequence".
class OtherLoadTest : public ::testing::Test {
 protected:
  // A pass without the sequence, with `rows` rows, that emitted `tokens` tokens.
  StepWork Others(int rows, double tokens) {
    const StepWork pass = {.rows = rows, .tokens = tokens, .took = kPass};
    all_.Add(pass);
    return pass;
  }
  // A pass with the sequence, in which it has three rows and emits two tokens.
  void Shared(int other_rows, double other_tokens) {
    const StepWork pass = Others(other_rows + 3, other_tokens + 2);
    mean_.Add(pass, 3, 2, all_);
  }
  void Expect(double rows, double tokens, absl::Duration passes, double near = 1e-9) {
    EXPECT_NEAR(mean_.value().rows, rows, near);
    EXPECT_NEAR(mean_.value().tokens, tokens, near);
    EXPECT_NEAR(absl::FDivDuration(mean_.value().passes, kPass), absl::FDivDuration(passes, kPass),
                near);
  }

  StepWork all_;
  OtherLoadMean mean_;
};

TEST_F(OtherLoadTest, ALoneSequenceHasNoOthers) {
  for (int i = 0; i < 5; ++i) Shared(0, 0);
  Expect(0, 0, absl::ZeroDuration());
}

TEST_F(OtherLoadTest, PassesBeforeTheFirstOfTheSequenceDoNotCount) {
  Others(100, 70);
  Shared(4, 5);
  Expect(4, 5, absl::ZeroDuration());
}

TEST_F(OtherLoadTest, CountsOtherSequencesInSharedPassesAndInPassesBetween) {
  for (int i = 0; i < 100; ++i) {
    Shared(4, 5);
    Others(8, 3);
    Others(9, 1);
  }
  Expect(4, 9, 2 * kPass, 1e-3);
}

TEST_F(OtherLoadTest, FollowsSequencesThatComeAndGo) {
  for (int i = 0; i < 50; ++i) Shared(0, 0);
  for (int i = 0; i < 30; ++i) Shared(10, 10);
  Expect(10, 10, absl::ZeroDuration(), 0.3);
  for (int i = 0; i < 30; ++i) Shared(0, 0);
  Expect(0, 0, absl::ZeroDuration(), 0.3);
}

}  // namespace
}  // namespace recycling::verifier
