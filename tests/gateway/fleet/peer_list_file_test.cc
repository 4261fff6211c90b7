#include "gateway/fleet/peer_list_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/doubles/matchers.h"
#include "tests/doubles/process.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::SizeIs;

const PeerTarget kA = {.address = "a:1"};
const PeerTarget kB = {.address = "b:1"};

class PeerListFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { std::ofstream(path_, std::ios::trunc) << text; }

  const doubles::TempDir folder_;
  const std::string path_ = folder_ / "peers";
  PeerListFile file_{path_, 1};
};

TEST_F(PeerListFileTest, ReadsLinesCommasAndComments) {
  Write("# our verifiers\n a:1 # the old one\n\nb:1, dns:///c:2\r\nunix:/d\n");
  const auto peers = file_.Read();
  ASSERT_THAT(peers, IsOk());
  EXPECT_THAT(*peers, ElementsAre(kA, kB, PeerTarget{.address = "c:2", .is_name = true},
                                  PeerTarget{.address = "unix:/d"}));
}

TEST_F(PeerListFileTest, AnErrorNamesTheFile) {
  EXPECT_THAT(file_.Read(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path_)));
  Write("a\n");
  EXPECT_THAT(file_.Read(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path_)));
  Write("a:1\na:1\n");
  EXPECT_THAT(file_.Read(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
  Write("# none\n");
  EXPECT_THAT(file_.Read(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected at least 1")));
  Write(std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(file_.Read(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bytes")));
}

TEST_F(PeerListFileTest, AChangeIsReturnedOnce) {
  Write("a:1");
  ASSERT_THAT(file_.Read(), IsOk());
  EXPECT_EQ(file_.Poll(), std::nullopt);
  Write("a:1\nb:1");
  EXPECT_THAT(file_.Poll(), Optional(ElementsAre(kA, kB)));
  EXPECT_EQ(file_.Poll(), std::nullopt);
}

TEST_F(PeerListFileTest, AnInvalidOrMissingFileChangesNothing) {
  Write("a:1");
  ASSERT_THAT(file_.Read(), IsOk());
  for (const char* bad : {"nonsense", "", "a:1,a:1"}) {
    Write(bad);
    EXPECT_EQ(file_.Poll(), std::nullopt) << bad;
  }
  std::remove(path_.c_str());
  EXPECT_EQ(file_.Poll(), std::nullopt);
  Write("b:1");
  EXPECT_THAT(file_.Poll(), Optional(ElementsAre(kB)));
}

}  // namespace
}  // namespace recycling::gateway
