#include "common/rpc/connection_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "common/net/certificate_expiry.h"
#include "common/rpc/health_client.h"

namespace recycling {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kLong = absl::Minutes(1);

double Refused(const std::vector<const RpcServer*>& servers) {
  MetricSet set;
  ConnectionMetrics(servers)(&set);
  EXPECT_THAT(set.families(), SizeIs(1));
  EXPECT_EQ(set.families()[0].name, "recycling_connections_refused_total");
  EXPECT_EQ(set.families()[0].type, MetricSet::Type::kCounter);
  EXPECT_THAT(set.families()[0].samples, SizeIs(1));
  return set.families()[0].samples[0].value;
}

// A channel that shares its connection with no other channel.
std::shared_ptr<grpc::Channel> Channel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

TEST(ConnectionMetricsTest, CountsTheRefusedConnectionsOfAllServers) {
  std::vector<std::unique_ptr<RpcServer>> servers;
  std::vector<const RpcServer*> watched;
  std::vector<std::shared_ptr<grpc::Channel>> open;
  for (int i = 0; i < 2; ++i) {
    servers.push_back(
        *RpcServer::Start({.listen = {"127.0.0.1:0"}, .limits = {.max_connections = 1}}, {}, {}));
    watched.push_back(servers.back().get());
    open.push_back(Channel(servers.back()->addresses()[0]));
    EXPECT_TRUE(CheckHealth(open.back(), "", kLong).ok());
  }
  EXPECT_EQ(Refused(watched), 0);
  for (const auto& server : servers) {
    EXPECT_EQ(CheckHealth(Channel(server->addresses()[0]), "", kLong).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_GE(server->refused_connections(), 1u);
    server->Shutdown(absl::ZeroDuration());  // so that it accepts no more connections and the
                                             // counts stay the same
  }
  EXPECT_EQ(Refused(watched), static_cast<double>(servers[0]->refused_connections() +
                                                  servers[1]->refused_connections()));
}

TEST(ConnectionMetricsTest, ReportsWhenTheFirstCertificateExpires) {
  std::vector<std::unique_ptr<RpcServer>> servers;
  std::vector<const RpcServer*> watched;
  for (const std::int64_t seconds : {2'100'000'000, 2'000'000'000}) {
    const auto expiry = std::make_shared<CertificateExpiry>();
    expiry->Set(absl::FromUnixSeconds(seconds));
    servers.push_back(*RpcServer::Start({.certificate_expiry = expiry}, {}, {}));
    watched.push_back(servers.back().get());
  }
  MetricSet set;
  ConnectionMetrics(watched)(&set);
  ASSERT_THAT(set.families(), SizeIs(2));
  ASSERT_THAT(set.families()[1].samples, SizeIs(1));
  EXPECT_EQ(set.families()[1].samples[0].value, 2e9);
}

TEST(CertificateMetricsTest, ReportsWhenACertificateExpiresIfThereIsOne) {
  MetricSet set;
  AddCertificateMetrics("server", std::nullopt, &set);
  EXPECT_THAT(set.families(), IsEmpty());
  AddCertificateMetrics("server", absl::FromUnixSeconds(2'000'000'000), &set);
  AddCertificateMetrics("client", absl::FromUnixSeconds(2'100'000'000), &set);
  ASSERT_THAT(set.families(), SizeIs(1));
  EXPECT_EQ(set.families()[0].name, "recycling_tls_certificate_expiry_seconds");
  const auto& samples = set.families()[0].samples;
  ASSERT_THAT(samples, SizeIs(2));
  EXPECT_EQ(samples[0].value, 2e9);
  EXPECT_EQ(samples[0].labels, (MetricLabels{{"certificate", "server"}}));
  EXPECT_EQ(samples[1].value, 2.1e9);
  EXPECT_EQ(samples[1].labels, (MetricLabels{{"certificate", "client"}}));
}

}  // namespace
}  // namespace recycling
