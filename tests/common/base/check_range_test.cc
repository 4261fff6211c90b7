#include "common/base/check_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace recycling {
namespace {

std::string Said(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(CheckRangeTest, AcceptsBothEndsAndTheValuesBetween) {
  for (const int value : {-1, 0, 2}) EXPECT_TRUE(CheckRange("n", value, -1, 2).ok()) << value;
  for (const double value : {0.0, 0.5, 1.0}) EXPECT_TRUE(CheckRange("p", value, 0, 1).ok());
  EXPECT_TRUE(CheckRange("t", absl::Seconds(1), absl::Seconds(1)).ok());
  EXPECT_TRUE(CheckRange("t", absl::InfiniteDuration(), absl::Seconds(1)).ok());
}

TEST(CheckRangeTest, ErrorNamesTheOptionTheValueAndTheBounds) {
  EXPECT_EQ(Said(CheckRange("k", 65, 1, 64)), "k: got 65, expected 1 to 64");
  EXPECT_EQ(Said(CheckRange("k", 0, 1, 64)), "k: got 0, expected 1 to 64");
  EXPECT_EQ(Said(CheckRange("p", 1.5, 0, 1)), "p: got 1.5, expected 0 to 1");
  EXPECT_EQ(Said(CheckRange("t", absl::Milliseconds(999), absl::Seconds(1))),
            "t: got 999ms, expected 1s or more");
  EXPECT_EQ(Said(CheckRange("t", absl::Hours(25), absl::ZeroDuration(), absl::Hours(24))),
            "t: got 25h, expected 0 to 24h");
}

TEST(CheckRangeTest, RefusesNanAndTheLargestNumbersOfEachType) {
  EXPECT_EQ(Said(CheckRange("p", std::numeric_limits<float>::quiet_NaN(), 0, 1)),
            "p: got nan, expected 0 to 1");
  EXPECT_EQ(Said(CheckRange("n", std::numeric_limits<std::uint64_t>::max(), 0, 9)),
            "n: got 18446744073709551615, expected 0 to 9");
  EXPECT_EQ(Said(CheckRange("n", std::numeric_limits<std::int64_t>::min(), 0, 9)),
            "n: got -9223372036854775808, expected 0 to 9");
}

}  // namespace
}  // namespace recycling
