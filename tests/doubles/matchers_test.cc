#include "tests/doubles/matchers.h"

#include <gtest/gtest.h>

#include "recycling/common/v1/common.pb.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/proto_matchers.h"

namespace recycling::doubles {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Matcher, typename T>
std::string Explain(const Matcher& matcher, const T& value) {
  ::testing::StringMatchResultListener listener;
  ::testing::ExplainMatchResult(matcher, value, &listener);
  return listener.str();
}

TEST(StatusIsTest, ComparesCodeAndMessageOfStatusAndStatusOr) {
  const absl::Status status = absl::NotFoundError("no such model");
  const absl::StatusOr<int> result = status;
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kNotFound, HasSubstr("such")));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kNotFound, "no such model"));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kNotFound, "model")));
  EXPECT_THAT(Explain(StatusIs(absl::StatusCode::kInternal), status),
              HasSubstr("NOT_FOUND: no such model"));
}

TEST(IsOkTest, MatchesOkAndNoErrors) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(absl::StatusOr<int>(1), IsOk());
  EXPECT_THAT(absl::InternalError("x"), Not(IsOk()));
}

TEST(IsOkAndHoldsTest, ComparesTheValue) {
  EXPECT_THAT(absl::StatusOr<int>(1), IsOkAndHolds(1));
  EXPECT_THAT(absl::StatusOr<int>(1), Not(IsOkAndHolds(2)));
  EXPECT_THAT(absl::StatusOr<std::vector<int>>({1, 2}), IsOkAndHolds(ElementsAre(1, 2)));
  const absl::StatusOr<int> error = absl::InternalError("broken");
  EXPECT_THAT(error, Not(IsOkAndHolds(1)));
  EXPECT_THAT(Explain(IsOkAndHolds(1), error), HasSubstr("INTERNAL: broken"));
}

TEST(EqualsProtoTest, NamesTheFieldThatDiffers) {
  const auto expected = ParseProto<common::v1::DraftTree>("base: 3 root: 1 tokens: [ 5, 6 ]");
  auto got = expected;
  EXPECT_THAT(got, EqualsProto(expected));
  got.set_tokens(1, 7);
  EXPECT_THAT(got, Not(EqualsProto(expected)));
  EXPECT_THAT(Explain(EqualsProto(expected), got), HasSubstr("modified: tokens[1]: 6 -> 7"));
}

TEST(FakeClockTest, MovesOnlyWhenAdvanced) {
  FakeClock clock(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
  clock.Advance(absl::Milliseconds(5));
  EXPECT_EQ(clock.Now(), absl::UnixEpoch() + absl::Milliseconds(5));
  EXPECT_EQ(clock.Monotonic(), absl::Milliseconds(5));
}

}  // namespace
}  // namespace recycling::doubles
