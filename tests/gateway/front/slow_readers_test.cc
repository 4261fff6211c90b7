#include "gateway/front/slow_readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace recycling::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

UnreadOutput Running(std::uint64_t bytes, int since) {
  return {.bytes = bytes, .since = absl::Seconds(since)};
}
UnreadOutput Ended(std::uint64_t bytes, int since, int end) {
  return {.bytes = bytes, .since = absl::Seconds(since), .ended = true, .end = absl::Seconds(end)};
}

TEST(SlowReadersTest, TheTimeoutHoldsForAMessageAndForTheRestOfAnEndedOutput) {
  const ReaderLimits limits = {.timeout = absl::Seconds(10)};
  const std::vector<UnreadOutput> outputs = {Running(1, 91),    // unread for 9 s
                                             Running(1, 90),    // unread for 10 s
                                             Ended(1, 99, 91),  // ended 9 s ago
                                             Ended(1, 99, 90),  // ended 10 s ago
                                             Ended(0, 1, 1),    // completely read
                                             Running(0, 1)};    // completely read so far
  EXPECT_THAT(SlowReaders(outputs, limits, absl::Seconds(100)), ElementsAre(1, 3));
  EXPECT_THAT(SlowReaders(outputs, limits, absl::Seconds(99)), IsEmpty());
}

TEST(SlowReadersTest, DropsTheLongestUnreadOutputsIfTooManyHaveEnded) {
  const ReaderLimits limits = {.timeout = absl::Seconds(1000), .max_outputs = 2};
  const std::vector<UnreadOutput> outputs = {Ended(1, 5, 9), Running(1, 1), Ended(1, 3, 9),
                                             Ended(1, 4, 9), Ended(1, 6, 9)};
  EXPECT_THAT(SlowReaders(outputs, limits, absl::Seconds(10)), ElementsAre(2, 3));
  // They have just ended, so their clients may read them yet.
  EXPECT_THAT(SlowReaders(outputs, limits, absl::Seconds(9.9)), IsEmpty());
}

TEST(SlowReadersTest, DropsTheLongestUnreadOutputsIfTheyHoldTooManyBytes) {
  const ReaderLimits limits = {.timeout = absl::Seconds(1000), .max_bytes = 100};
  EXPECT_THAT(SlowReaders(std::vector<UnreadOutput>{Ended(60, 5, 9), Running(40, 3)}, limits,
                          absl::Seconds(10)),
              IsEmpty());
  EXPECT_THAT(SlowReaders(std::vector<UnreadOutput>{Ended(60, 5, 9), Running(41, 3)}, limits,
                          absl::Seconds(10)),
              ElementsAre(1));
}

TEST(SlowReadersTest, DropsTheLongestUnreadOutputsOfAConnectionWithTooManyBytes) {
  const ReaderLimits limits = {.timeout = absl::Seconds(1000), .max_connection_bytes = 100};
  std::vector<UnreadOutput> outputs = {Running(90, 1), Running(60, 4), Ended(30, 3, 9),
                                       Running(20, 5)};
  outputs[0].connection = "another";
  EXPECT_THAT(SlowReaders(outputs, limits, absl::Seconds(10)), ElementsAre(2));
  outputs[2].bytes = 20;
  EXPECT_THAT(SlowReaders(outputs, limits, absl::Seconds(10)), IsEmpty());
}

TEST(SlowReadersTest, DroppingTimedOutOutputsMakesRoomForTheOthers) {
  const ReaderLimits limits = {.timeout = absl::Seconds(10), .max_outputs = 1};
  const std::vector<UnreadOutput> outputs = {Ended(1, 95, 95), Ended(1, 90, 90)};
  EXPECT_THAT(SlowReaders(outputs, limits, absl::Seconds(100)), ElementsAre(1));
}

}  // namespace
}  // namespace recycling::gateway
