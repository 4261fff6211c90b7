// Clients with TLS call servers without TLS, and clients without TLS call servers with TLS, on real
// sockets.
#include "common/net/server_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "common/net/tls_credentials.h"
#include "common/rpc/health_client.h"
#include "common/rpc/rpc_server.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using doubles::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(30);

class ServerProbeTest : public testing::Test {
 protected:
  // Starts a server on TCP and on a Unix socket.
  std::unique_ptr<RpcServer> Serve(bool tls) {
    RpcServerOptions options;
    options.listen = {"127.0.0.1:0", "unix:" + folder_.path() + (tls ? "/tls" : "/plain")};
    if (tls) options.credentials = CreateServerCredentials({.files = files_}).value();
    return RpcServer::Start(options, {}, {}).value();
  }

  // Makes a call that fails, because only one side uses TLS. Returns the error with its
  // explanation.
  absl::Status FailedCall(const std::string& address, bool tls) {
    const auto credentials = tls ? CreateChannelCredentials({.files = {.ca = files_.ca}}).value()
                                 : grpc::InsecureChannelCredentials();
    const auto health = CheckHealth(grpc::CreateChannel(address, credentials), "", kLong);
    EXPECT_THAT(health.status(), StatusIs(absl::StatusCode::kUnavailable));
    return ExplainUnavailable(health.status(), address, tls, "--tls_ca");
  }

  doubles::TempDir folder_;
  doubles::CertificateAuthority authority_{"authority"};
  TlsFiles files_ = doubles::WriteTlsFiles(
      folder_.path(), "server", authority_.Issue("IP:127.0.0.1"), authority_.certificate());
};

TEST_F(ServerProbeTest, DistinguishesTlsFromPlaintext) {
  const auto plain = Serve(/*tls=*/false);
  const auto tls = Serve(/*tls=*/true);
  for (const std::string& address : plain->addresses()) {
    EXPECT_EQ(ProbeServer(address, kLong), ServerSpeaks::kPlainHttp2) << address;
  }
  for (const std::string& address : tls->addresses()) {
    EXPECT_EQ(ProbeServer(address, kLong), ServerSpeaks::kTls) << address;
  }
}

TEST_F(ServerProbeTest, ReturnsUnknownIfThereIsNoServer) {
  auto server = Serve(/*tls=*/false);
  const std::vector<std::string> addresses = server->addresses();
  server.reset();
  for (const std::string& address : addresses) {
    EXPECT_EQ(ProbeServer(address, kLong), ServerSpeaks::kUnknown) << address;
  }
  EXPECT_EQ(ProbeServer("no port", kLong), ServerSpeaks::kUnknown);
}

TEST_F(ServerProbeTest, APlaintextClientGetsAnErrorThatNamesTls) {
  const auto server = Serve(/*tls=*/true);
  const std::string& address = server->addresses()[0];
  EXPECT_THAT(FailedCall(address, /*tls=*/false),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("the server at " + address + " speaks TLS: set --tls_ca")));
}

TEST_F(ServerProbeTest, ATlsClientGetsAnErrorThatNamesPlaintext) {
  const auto server = Serve(/*tls=*/false);
  const std::string& address = server->addresses()[0];
  EXPECT_THAT(
      FailedCall(address, /*tls=*/true),
      StatusIs(absl::StatusCode::kUnavailable,
               HasSubstr("the server at " + address + " does not speak TLS: leave out --tls_ca")));
}

TEST_F(ServerProbeTest, DoesNotChangeOtherErrors) {
  const auto server = Serve(/*tls=*/false);
  const std::string& address = server->addresses()[0];
  const absl::Status busy = absl::ResourceExhaustedError("full");
  EXPECT_EQ(ExplainUnavailable(busy, address, /*tls=*/true, "--tls_ca"), busy);
  const absl::Status draining = absl::UnavailableError("draining");
  EXPECT_EQ(ExplainUnavailable(draining, address, /*tls=*/false, "--tls_ca"), draining);
}

}  // namespace
}  // namespace recycling
