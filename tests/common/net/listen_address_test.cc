#include "common/net/listen_address.h"

#include <gtest/gtest.h>

namespace recycling {
namespace {

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
