#include "common/program/service_program.h"

#include <gtest/gtest.h>

#include "common/rpc/health_client.h"

namespace recycling {
namespace {

constexpr absl::Duration kLong = absl::Seconds(30);

TEST(StopServiceTest, CallsTheHookWhileTheServerStillAnswersAndThenStopsIt) {
  const auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}}, {}, {"probe"});
  ASSERT_TRUE(server.ok()) << server.status();
  (*server)->SetServing(true);
  const auto channel =
      grpc::CreateChannel((*server)->addresses()[0], grpc::InsecureChannelCredentials());
  ASSERT_TRUE(CheckHealth(channel, "probe", kLong).value());

  int told = 0;
  StopService(**server, [&](absl::Duration grace) {
    ++told;
    EXPECT_EQ(grace, absl::Seconds(30)) << "the default of --drain_grace";
    EXPECT_FALSE(CheckHealth(channel, "probe", kLong).value());
    EXPECT_TRUE(CheckHealth(channel, "", kLong).value());
  });
  EXPECT_EQ(told, 1);
  EXPECT_EQ(CheckHealth(channel, "", kLong).status().code(), absl::StatusCode::kUnavailable);
}

TEST(StopServiceTest, WorksWithoutAHook) {
  const auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}}, {}, {"probe"});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto channel =
      grpc::CreateChannel((*server)->addresses()[0], grpc::InsecureChannelCredentials());
  StopService(**server);
  EXPECT_EQ(CheckHealth(channel, "", kLong).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace recycling
