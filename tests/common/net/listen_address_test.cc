#include "common/net/listen_address.h"

#include <gtest/gtest.h>

namespace recycling {
namespace {

TEST(ListenAddressTest, ReadsHostAndPort) {
  const auto name = ParseHostPort("host:0");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->host, "host");
  EXPECT_EQ(name->port, 0);
  const auto v6 = ParseHostPort("[::1]:65535");
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->text, "[::1]");
  EXPECT_EQ(v6->port, 65535);
  EXPECT_EQ(ParseHostPort(":1")->host, "");
  for (const char* bad : {"", "1", "host", "host:", "host:x", "host:-1", "host:65536", "::1:1",
                          "[]:1", "[::1]", "a:b:1"}) {
    EXPECT_FALSE(ParseHostPort(bad).has_value()) << bad;
  }
}

TEST(ListenAddressTest, LoopbackAndSocketFilesStayOnThisMachine) {
  for (const char* here : {"127.0.0.1:0", "127.8.9.10:50050", "localhost:0", "[::1]:1", "0177.1:1",
                           "unix:/run/s", "unix:relative"}) {
    EXPECT_TRUE(ListensOnThisMachine(here)) << here;
  }
  for (const char* beyond :
       {":0", "0.0.0.0:0", "0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "128.0.0.1:0",
        "[::ffff:192.0.2.1]:0", "name.invalid:0", "127.0.0.1", "unix", ""}) {
    EXPECT_FALSE(ListensOnThisMachine(beyond)) << beyond;
  }
}

}  // namespace
}  // namespace recycling
