#include "common/program/stream_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "tests/doubles/matchers.h"

ABSL_DECLARE_FLAG(absl::Duration, stream_idle_timeout);

namespace recycling {
namespace {

using doubles::IsOkAndHolds;
using doubles::StatusIs;
using ::testing::HasSubstr;

TEST(StreamFlagsTest, TakesNoneOrASecondToADay) {
  const absl::FlagSaver saver;
  EXPECT_THAT(StreamIdleTimeoutFromFlag(), IsOkAndHolds(absl::Minutes(5)));
  for (const absl::Duration good :
       {absl::ZeroDuration(), absl::Seconds(1), absl::Minutes(1), absl::Hours(24)}) {
    absl::SetFlag(&FLAGS_stream_idle_timeout, good);
    EXPECT_THAT(StreamIdleTimeoutFromFlag(), IsOkAndHolds(good));
  }
  for (const absl::Duration bad :
       {absl::Milliseconds(999), -absl::Seconds(1), absl::Hours(25), absl::InfiniteDuration()}) {
    absl::SetFlag(&FLAGS_stream_idle_timeout, bad);
    EXPECT_THAT(StreamIdleTimeoutFromFlag(), StatusIs(absl::StatusCode::kInvalidArgument,
                                                      HasSubstr("--stream_idle_timeout: got ")));
  }
}

}  // namespace
}  // namespace recycling
