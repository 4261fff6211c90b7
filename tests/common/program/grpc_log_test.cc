#include "common/program/grpc_log.h"

#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace recycling {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(GrpcLogTest, GrpcMessagesBecomeAFewLinesOfOurLog) {
  grpc_init();  // because gRPC must read its log level first
  RouteGrpcLog();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 1000; ++i) gpr_log(GPR_ERROR, "complaint %d\nforged", i);
  const std::string text = testing::internal::GetCapturedStderr();
  grpc_shutdown();
  EXPECT_THAT(text, HasSubstr("E grpc text=\"complaint 0\\nforged\" at=grpc_log_test.cc:"));
  EXPECT_THAT(text, Not(HasSubstr("complaint 999")));
  // A new time window may begin meanwhile and allow more lines.
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 100);
}

}  // namespace
}  // namespace recycling
