#include "verifier/schedule/pass_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/matchers.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;

constexpr absl::Duration kMoment = absl::Milliseconds(100);

// Expects that the running pass, which began at `began`, may take `most` and counts as hanging
// after that.
void ExpectMost(const PassWatch& watch, absl::Duration began, absl::Duration most) {
  EXPECT_THAT(watch.Check(began), IsOk());
  EXPECT_THAT(watch.Check(began + most), IsOk());
  EXPECT_THAT(watch.Check(began + most + kMoment),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("expected at most " + absl::FormatDuration(most))));
}

TEST(PassWatchTest, WithoutAPassTheCheckIsOk) {
  PassWatch watch;
  EXPECT_THAT(watch.Check(absl::Hours(1)), IsOk());
  watch.Began(absl::Seconds(1), absl::ZeroDuration());
  watch.Ended(absl::Seconds(2));
  EXPECT_THAT(watch.Check(absl::Hours(1)), IsOk());
}

TEST(PassWatchTest, APassMayTakeThirtySecondsOrTwentyTimesTheTimeOfAFullPass) {
  PassWatch watch;
  watch.Began(absl::Seconds(100), absl::ZeroDuration());
  ExpectMost(watch, absl::Seconds(100), absl::Seconds(30));
  watch.Ended(absl::Seconds(101));
  watch.Began(absl::Seconds(200), absl::Seconds(1.4));
  ExpectMost(watch, absl::Seconds(200), absl::Seconds(30));
  watch.Ended(absl::Seconds(201));
  watch.Began(absl::Seconds(300), absl::Seconds(3));
  ExpectMost(watch, absl::Seconds(300), absl::Seconds(60));
}

TEST(PassWatchTest, EveryPassMayTakeTheWholeTime) {
  PassWatch watch;
  watch.Began(absl::ZeroDuration(), absl::ZeroDuration());
  watch.Next(absl::Seconds(9));
  ExpectMost(watch, absl::Seconds(9), absl::Seconds(30));
  watch.Ended(absl::Seconds(18));
  watch.Began(absl::Seconds(20), absl::ZeroDuration());
  ExpectMost(watch, absl::Seconds(20), absl::Seconds(30));
}

TEST(PassWatchTest, LongPassesRaiseTheLimitUpToABound) {
  PassWatch watch;
  watch.Began(absl::ZeroDuration(), absl::Seconds(1));
  watch.Ended(absl::Seconds(25));
  watch.Began(absl::Seconds(30), absl::Seconds(1));
  ExpectMost(watch, absl::Seconds(30), absl::Seconds(75));
  watch.Next(absl::Seconds(100));  // this pass took 70 seconds
  ExpectMost(watch, absl::Seconds(100), absl::Seconds(210));
  watch.Ended(absl::Hours(2));  // this pass took nearly two hours
  watch.Began(absl::Hours(3), absl::Seconds(1));
  ExpectMost(watch, absl::Hours(3), 3 * PassWatch::kMostLearnt);
}

TEST(PassWatchTest, TheErrorSaysHowLongThePassHasTaken) {
  PassWatch watch;
  watch.Began(absl::Seconds(5), absl::ZeroDuration());
  EXPECT_THAT(watch.Check(absl::Seconds(47.25)),
              StatusIs(absl::StatusCode::kUnavailable,
                       "no pass has ended for 42.2s, expected at most 30s"));
}

}  // namespace
}  // namespace recycling::verifier
