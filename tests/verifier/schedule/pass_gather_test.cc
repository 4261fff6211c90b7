#include "verifier/schedule/pass_gather.h"

#include <gtest/gtest.h>

namespace recycling::verifier {
namespace {

absl::Duration Us(double micros) { return absl::Microseconds(micros); }
// The cost of a pass of one row. A pass waits at most half as long, 500 us.
constexpr absl::Duration kPlain = absl::Microseconds(1000);

class PassGatherTest : public ::testing::Test {
 protected:
  // 20 times, a step of `id` arrives `took` after an answer. The last one arrives at now_.
  void Learn(const int& id, absl::Duration took) {
    for (int i = 0; i < 20; ++i) {
      gather_.Answered(&id, now_);
      now_ += took;
      gather_.Arrived(&id, now_);
    }
  }
  absl::Duration Wait() const { return gather_.StartAt(now_, now_, kPlain) - now_; }

  absl::Duration now_;
  PassGather gather_;
  const int a_ = 0, b_ = 0, c_ = 0;
};

TEST_F(PassGatherTest, WithoutExpectedStepsThereIsNoWait) {
  EXPECT_EQ(Wait(), Us(0));
  Learn(a_, Us(100));
  EXPECT_EQ(Wait(), Us(0)) << "the step has arrived";
  EXPECT_EQ(gather_.Expected(now_), 0);
}

TEST_F(PassGatherTest, WaitsForAStepThatIsDueSoon) {
  Learn(a_, Us(100));
  Learn(b_, Us(200));
  gather_.Answered(&a_, now_);
  EXPECT_EQ(Wait(), Us(125));
  gather_.Answered(&b_, now_);
  EXPECT_EQ(Wait(), Us(250)) << "the pass waits for the later step";
  EXPECT_EQ(gather_.Expected(now_), 2);
  gather_.Arrived(&b_, now_);
  EXPECT_EQ(Wait(), Us(125));
  gather_.Arrived(&a_, now_);
  EXPECT_EQ(Wait(), Us(0));
}

TEST_F(PassGatherTest, DoesNotWaitForAStepThatIsDueTooLate) {
  Learn(a_, Us(401));
  gather_.Answered(&a_, now_);
  EXPECT_EQ(Wait(), Us(0));
  EXPECT_EQ(gather_.Expected(now_), 1)
      << "the step is still expected, so the pass takes only a short piece of a prompt";
  Learn(b_, Us(399));
  gather_.Answered(&b_, now_);
  EXPECT_EQ(Wait(), Us(1.25 * 399));
}

TEST_F(PassGatherTest, DoesNotWaitForAStepThatIsOverdue) {
  Learn(a_, Us(100));
  gather_.Answered(&a_, now_);
  const absl::Duration ready = now_;
  now_ += Us(126);
  EXPECT_EQ(gather_.StartAt(ready, now_, kPlain), ready);
  EXPECT_EQ(gather_.Expected(now_), 1);
  now_ += Us(80);
  EXPECT_EQ(gather_.Expected(now_), 0);
}

TEST_F(PassGatherTest, ForgetsSequencesThatLeft) {
  Learn(a_, Us(100));
  gather_.Answered(&a_, now_);
  gather_.Left(&a_);
  EXPECT_EQ(Wait(), Us(0));
  EXPECT_EQ(gather_.Expected(now_), 0);
  gather_.Arrived(&a_, now_);  // has no effect
  EXPECT_EQ(Wait(), Us(0));
}

TEST_F(PassGatherTest, ANewSequenceIsExpectedToBehaveLikeTheOthers) {
  gather_.Answered(&c_, now_);
  EXPECT_EQ(Wait(), Us(0)) << "no sequence has a mean yet";
  Learn(a_, Us(100));
  gather_.Answered(&c_, now_);
  EXPECT_EQ(Wait(), Us(125));
}

TEST_F(PassGatherTest, WithoutACostThereIsNoWait) {
  Learn(a_, Us(100));
  gather_.Answered(&a_, now_);
  EXPECT_EQ(gather_.StartAt(now_, now_, absl::ZeroDuration()), now_);
}

TEST_F(PassGatherTest, OneLateStepChangesTheMeanLittle) {
  Learn(a_, Us(100));
  gather_.Answered(&a_, now_);
  now_ += absl::Seconds(10);
  gather_.Arrived(&a_, now_);
  gather_.Answered(&a_, now_);
  EXPECT_LE(Wait(), Us(1.25 * 138));
}

}  // namespace
}  // namespace recycling::verifier
