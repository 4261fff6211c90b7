#include "common/rpc/open_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class OpenCallsTest : public testing::Test {
 protected:
  OpenCalls::Id Open(const std::string& connection, bool public_stream = false) {
    const OpenCalls::Id id = ++opened_;
    EXPECT_EQ(calls_.Open({.connection = connection,
                           .public_stream = public_stream,
                           .end =
                               [this, id](const absl::Status& why) {
                                 EXPECT_FALSE(why.ok());
                                 ended_.push_back(id);
                               }}),
              id);
    return id;
  }

  // The calls that were ended since the last call of this function.
  std::vector<OpenCalls::Id> Ended() {
    calls_.EndDue();
    return std::exchange(ended_, {});
  }

  static constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

  doubles::FakeClock clock_;
  int woken_ = 0;
  OpenCalls calls_{{.max_calls = 5,
                    .max_public_streams = 3,
                    .max_public_streams_per_connection = 2,
                    .public_stream_timeout = absl::Minutes(1),
                    .max_unread_per_connection = 100,
                    .max_unread = 250},
                   clock_,
                   [this] { ++woken_; }};
  OpenCalls::Id opened_ = 0;
  std::vector<OpenCalls::Id> ended_;
};

TEST_F(OpenCallsTest, RefusesOneCallTooManyUntilAnotherIsClosed) {
  for (int i = 0; i < 5; ++i) EXPECT_THAT(calls_.status(Open("a")), IsOk());
  EXPECT_EQ(woken_, 0);
  const OpenCalls::Id refused = Open("b");
  EXPECT_EQ(woken_, 1);
  EXPECT_THAT(calls_.status(refused), StatusIs(kExhausted, HasSubstr("one more than the 5")));
  EXPECT_THAT(calls_.AddUnread(refused, 1), StatusIs(kExhausted));
  EXPECT_THAT(Ended(), UnorderedElementsAre(refused));
  calls_.Close(refused);
  calls_.Close(1);
  EXPECT_THAT(calls_.status(Open("b")), IsOk());
  EXPECT_THAT(Ended(), IsEmpty());
}

TEST_F(OpenCallsTest, RefusesAnAnswerIfItsConnectionHasTooManyUnreadBytes) {
  const OpenCalls::Id first = Open("a");
  const OpenCalls::Id second = Open("a");
  EXPECT_THAT(calls_.AddUnread(first, 60), IsOk());
  EXPECT_THAT(calls_.AddUnread(second, 41), StatusIs(kExhausted, HasSubstr("the bound of 100")));
  EXPECT_EQ(calls_.Counts().unread, 60u);
  EXPECT_THAT(Ended(), UnorderedElementsAre(second));
  EXPECT_THAT(calls_.AddUnread(Open("b"), 100), IsOk()) << "another connection is served";
  calls_.ClearUnread(first);
  EXPECT_THAT(calls_.AddUnread(Open("a"), 100), IsOk())
      << "the first answer has been read, so there is room";
}

TEST_F(OpenCallsTest, EndsTheCallsOfTheConnectionWithMostUnreadBytesAtTheTotalBound) {
  const OpenCalls::Id small = Open("small");
  const OpenCalls::Id large = Open("large");
  const OpenCalls::Id idle = Open("large");
  const OpenCalls::Id next = Open("next");
  EXPECT_THAT(calls_.AddUnread(small, 90), IsOk());
  EXPECT_THAT(calls_.AddUnread(large, 100), IsOk());
  EXPECT_THAT(calls_.AddUnread(next, 80), IsOk());
  EXPECT_THAT(calls_.status(large), StatusIs(kExhausted, HasSubstr("holds the most")));
  EXPECT_THAT(calls_.status(idle), IsOk()) << "this call had no unread answer";
  EXPECT_THAT(Ended(), UnorderedElementsAre(large));
  EXPECT_EQ(calls_.Counts().unread, 170u);
  EXPECT_EQ(calls_.Counts().ended, 1u);
}

TEST_F(OpenCallsTest, RefusesAnAnswerOfTheConnectionWithMostUnreadBytes) {
  EXPECT_THAT(calls_.AddUnread(Open("a"), 80), IsOk());
  EXPECT_THAT(calls_.AddUnread(Open("b"), 80), IsOk());
  EXPECT_THAT(calls_.AddUnread(Open("c"), 85), IsOk());
  const OpenCalls::Id more = Open("c");
  EXPECT_THAT(calls_.AddUnread(more, 10), StatusIs(kExhausted));
  EXPECT_THAT(Ended(), UnorderedElementsAre(more));
  EXPECT_EQ(calls_.Counts().unread, 245u);
}

TEST_F(OpenCallsTest, CountsAreZeroWhenAllCallsAreClosed) {
  for (const char* connection : {"a", "a", "b", "c"}) {
    (void)calls_.AddUnread(Open(connection, /*public_stream=*/true), 90);
  }
  EXPECT_GT(calls_.Counts().unread, 0u);
  for (OpenCalls::Id id = 1; id <= opened_; ++id) calls_.Close(id);
  EXPECT_EQ(calls_.Counts().calls, 0);
  EXPECT_EQ(calls_.Counts().public_streams, 0);
  EXPECT_EQ(calls_.Counts().unread, 0u);
}

TEST_F(OpenCallsTest, RefusesOnePublicStreamTooMany) {
  EXPECT_THAT(calls_.status(Open("a", true)), IsOk());
  EXPECT_THAT(calls_.status(Open("a", true)), IsOk());
  EXPECT_THAT(calls_.status(Open("a", true)),
              StatusIs(kExhausted, HasSubstr("2 that one connection may have")));
  calls_.Close(3);
  EXPECT_THAT(calls_.status(Open("b", true)), IsOk());
  EXPECT_THAT(calls_.status(Open("c", true)), StatusIs(kExhausted, HasSubstr("the 3 that this")));
}

TEST_F(OpenCallsTest, EndsOnlyPublicStreamsAtTheirTimeout) {
  Open("a");
  const OpenCalls::Id early = Open("a", true);
  EXPECT_EQ(calls_.EndDue(), absl::Minutes(1));
  clock_.Advance(absl::Seconds(40));
  Open("a", true);
  EXPECT_THAT(Ended(), IsEmpty());
  clock_.Advance(absl::Seconds(20));
  EXPECT_THAT(Ended(), UnorderedElementsAre(early));
  EXPECT_THAT(calls_.status(early),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("open for 1m")));
  EXPECT_EQ(calls_.EndDue(), absl::Seconds(40));
  clock_.Advance(absl::Hours(1));
  EXPECT_THAT(Ended(), UnorderedElementsAre(3u)) << "each stream ends once";
}

}  // namespace
}  // namespace recycling
