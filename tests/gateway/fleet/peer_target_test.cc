#include "gateway/fleet/peer_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOkAndHolds;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ParsePeerListTest, ReadsEveryForm) {
  EXPECT_THAT(ParsePeerList(" localhost:80, [::1]:81 ,dns:///drafter.svc:82,unix:/run/v.sock,"),
              IsOkAndHolds(ElementsAre(
                  PeerTarget{"localhost:80", false}, PeerTarget{"[::1]:81", false},
                  PeerTarget{"drafter.svc:82", true}, PeerTarget{"unix:/run/v.sock", false})));
  EXPECT_THAT(ParsePeerList(""), IsOkAndHolds(IsEmpty()));
}

TEST(ParsePeerListTest, ErrorsNameTheInvalidEntry) {
  for (const std::string entry :
       {"localhost", ":80", "localhost:", "localhost:0", "localhost:65536", "localhost:x",
        "http://a:1", "dns:///a", "dns:a:1", "unix:", "::1:80", "a b:1", "dns:///unix:b",
        "[localhost]:1"}) {
    EXPECT_THAT(ParsePeerList("ok:1," + entry),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"" + entry + "\"")));
  }
  EXPECT_THAT(ParsePeerList("a:1,a:1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"a:1\" twice")));
}

TEST(SystemResolverTest, ResolvesAnAddressToItself) {
  EXPECT_THAT(SystemResolver().Resolve("127.0.0.1:80"), IsOkAndHolds(ElementsAre("127.0.0.1:80")));
  EXPECT_THAT(SystemResolver().Resolve("[::1]:80"), IsOkAndHolds(ElementsAre("[::1]:80")));
  EXPECT_THAT(SystemResolver().Resolve("no port"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace recycling::gateway
