#include "common/base/host_port.h"

#include <gtest/gtest.h>

namespace recycling {
namespace {

TEST(HostPortTest, ReadsHostAndPort) {
  EXPECT_EQ(ParseHostPort("host-1.a_b:0"), (HostPort{"host-1.a_b", "host-1.a_b", 0}));
  EXPECT_EQ(ParseHostPort("10.0.0.1:00080"), (HostPort{"10.0.0.1", "10.0.0.1", 80}));
  EXPECT_EQ(ParseHostPort("[::1]:65535"), (HostPort{"::1", "[::1]", 65535}));
  EXPECT_EQ(ParseHostPort("[fe80::1%eth0]:1"), (HostPort{"fe80::1%eth0", "[fe80::1%eth0]", 1}));
  EXPECT_EQ(ParseHostPort(":1"), (HostPort{"", "", 1}));
}

TEST(HostPortTest, RefusesOtherText) {
  for (const char* bad :
       {"",        "1",       "host",    "host:",         "host:x",       "host:-1",  "host:+1",
        "host: 1", "host:1 ", "host:1x", "host:65536",    "host:000080",  "::1:1",    "[]:1",
        "[::1]",   "[::1:1",  "::1]:1",  "[localhost]:1", "[10.0.0.1]:1", "[::1%]:1", "[::1%a b]:1",
        "a:b:1",   "a b:1",   "a/b:1",   "http://a:1",    "dns:///a:1"}) {
    EXPECT_FALSE(ParseHostPort(bad).has_value()) << bad;
  }
}

TEST(HostPortTest, ATargetHasAHostAndAPort) {
  EXPECT_EQ(ParseTarget("[::1]:1"), ParseHostPort("[::1]:1"));
  EXPECT_EQ(ParseTarget("a:65535"), ParseHostPort("a:65535"));
  EXPECT_FALSE(ParseTarget(":1").has_value());
  EXPECT_FALSE(ParseTarget("a:0").has_value());
  EXPECT_FALSE(ParseTarget("a").has_value());
}

}  // namespace
}  // namespace recycling
