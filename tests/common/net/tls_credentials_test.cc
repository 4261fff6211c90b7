#include "common/net/tls_credentials.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/health_client.h"
#include "common/rpc/rpc_server.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using doubles::CertificateAuthority;
using doubles::ReplaceFile;
using doubles::WriteTlsFiles;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr char kHere[] = "DNS:localhost,IP:127.0.0.1";

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

class TlsCredentialsTest : public testing::Test {
 protected:
  // Writes the files of an identity that `authority` signs. Its peers need a certificate that
  // `trusted` signs.
  TlsFiles Files(const std::string& name, CertificateAuthority& authority,
                 const CertificateAuthority& trusted, const std::string& names = kHere) {
    return WriteTlsFiles(folder_.path(), name, authority.Issue(names), trusted.certificate());
  }

  void Serve(const ServerTlsOptions& options) {
    const auto credentials = CreateServerCredentials(options);
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    auto server =
        RpcServer::Start({.listen = {"127.0.0.1:0"}, .credentials = *credentials}, {}, {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // Makes a call on a new connection.
  absl::Status Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                    const std::string& name = "") {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    if (!name.empty()) arguments.SetString(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, name);
    return CheckHealth(grpc::CreateCustomChannel(server_->addresses()[0], credentials, arguments),
                       "", kLong)
        .status();
  }

  absl::Status Call(const TlsFiles& files, const std::string& name = "") {
    const auto credentials = CreateChannelCredentials({.files = files});
    return credentials.ok() ? Call(*credentials, name) : credentials.status();
  }

  doubles::TempDir folder_;
  CertificateAuthority authority_{"authority"};
  CertificateAuthority stranger_{"stranger"};
  std::unique_ptr<RpcServer> server_;
};

void ExpectUnavailable(const absl::Status& status, const std::string& what) {
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(what));
}

TEST_F(TlsCredentialsTest, ServesClientsThatTrustItsAuthority) {
  const TlsFiles server = Files("server", authority_, authority_);
  Serve({.files = {.certificate = server.certificate, .key = server.key}});
  EXPECT_TRUE(Call(TlsFiles{.ca = server.ca}).ok());
  EXPECT_TRUE(Call(TlsFiles{.ca = server.ca}, "localhost").ok());
}

TEST_F(TlsCredentialsTest, IsRefusedByClientsThatDoNotTrustItsAuthority) {
  const TlsFiles server = Files("server", authority_, authority_);
  Serve({.files = {.certificate = server.certificate, .key = server.key}});
  const TlsFiles other = Files("other", stranger_, stranger_);
  ExpectUnavailable(Call(TlsFiles{.ca = other.ca}), "failed to connect");
  ExpectUnavailable(Call(TlsFiles{.ca = server.ca}, "another.name"), "failed to connect");
}

TEST_F(TlsCredentialsTest, AClientTrustsAServerThatHasOneOfTheExpectedNames) {
  Serve({.files = Files("server", authority_, authority_, "DNS:verifier,DNS:verifier-0")});
  const TlsFiles client = Files("client", authority_, authority_);
  const auto call = [&](std::vector<std::string> names) {
    return Call(*CreateChannelCredentials({.files = client, .names = std::move(names)}));
  };
  EXPECT_TRUE(call({"drafter", "verifier"}).ok());
  EXPECT_TRUE(call({"verifier-0"}).ok());
  ExpectUnavailable(call({"drafter", "127.0.0.1", "verif"}), "failed to connect");
  ExpectUnavailable(call({}), "failed to connect");
  const TlsFiles other = Files("other", stranger_, stranger_);
  ExpectUnavailable(Call(*CreateChannelCredentials({.files = other, .names = {"verifier"}})),
                    "failed to connect");
}

TEST_F(TlsCredentialsTest, APlaintextClientGetsUnavailable) {
  const TlsFiles server = Files("server", authority_, authority_);
  Serve({.files = {.certificate = server.certificate, .key = server.key}});
  EXPECT_EQ(Call(grpc::InsecureChannelCredentials()).code(), absl::StatusCode::kUnavailable);
}

TEST_F(TlsCredentialsTest, ATlsClientOfAPlaintextServerGetsUnavailable) {
  auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}}, {}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  ExpectUnavailable(Call(Files("client", authority_, authority_)), "failed to connect");
}

TEST_F(TlsCredentialsTest, ServesOnlyClientsWithACertificateOfItsAuthority) {
  Serve({.files = Files("server", authority_, authority_)});
  const TlsFiles client = Files("client", authority_, authority_, "DNS:client");
  EXPECT_TRUE(Call(client).ok());
  EXPECT_EQ(Call(TlsFiles{.ca = client.ca}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Call(Files("other", stranger_, authority_)).code(), absl::StatusCode::kUnavailable);
}

TEST_F(TlsCredentialsTest, ServesOnlyTheNamesItAllows) {
  Serve({.files = Files("server", authority_, authority_), .allowed_names = {"gateway", "admin"}});
  EXPECT_TRUE(Call(Files("a", authority_, authority_, "DNS:x,DNS:gateway")).ok());
  EXPECT_TRUE(Call(Files("b", authority_, authority_, "URI:spiffe://x,DNS:admin")).ok());
  const absl::Status refused = Call(Files("c", authority_, authority_, "DNS:drafter"));
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("got names [drafter]"));
}

TEST_F(TlsCredentialsTest, BothSidesReadRotatedFilesWithoutARestart) {
  const TlsFiles server = Files("server", authority_, authority_);
  const TlsFiles client = Files("client", authority_, authority_);
  Serve({.files = server});
  const auto credentials = CreateChannelCredentials({.files = client});
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  ASSERT_TRUE(Call(*credentials).ok());

  // All server files are now from another authority, which the old files do not trust.
  Files("server", stranger_, stranger_);
  ASSERT_TRUE(Eventually([&] { return !Call(*credentials).ok(); }));
  Files("client", stranger_, stranger_);
  EXPECT_TRUE(Eventually([&] { return Call(*credentials).ok(); }));
  EXPECT_EQ(Call(Files("late", authority_, stranger_)).code(), absl::StatusCode::kUnavailable);
}

TEST_F(TlsCredentialsTest, KeepsTheOldFilesWhileTheNewOnesAreInvalid) {
  const TlsFiles server = Files("server", authority_, authority_);
  const TlsFiles client = Files("client", authority_, authority_);
  Serve({.files = server});
  // Writes a new certificate without its key, and an empty list of authorities. The log shows that
  // the server read these files. It still uses the valid files that follow.
  const auto next = stranger_.Issue(kHere);
  ReplaceFile(server.certificate, next.certificate);
  ReplaceFile(server.ca, "");
  testing::internal::CaptureStderr();
  std::string log;
  ASSERT_TRUE(Eventually([&] {
    log += testing::internal::GetCapturedStderr();
    testing::internal::CaptureStderr();
    return log.find("are not valid") != std::string::npos;
  }));
  testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(server.key));
  EXPECT_TRUE(Call(client).ok());
  ReplaceFile(server.key, next.key);
  ReplaceFile(server.ca, authority_.certificate());
  ReplaceFile(client.ca, stranger_.certificate());
  EXPECT_TRUE(Eventually([&] { return Call(client).ok(); }));
}

TEST_F(TlsCredentialsTest, ReportsWhenTheCertificateInUseExpires) {
  const TlsFiles files = Files("server", authority_, authority_);
  const absl::Time first = ReadTlsFiles(files)->expires;
  const auto server = std::make_shared<CertificateExpiry>();
  const auto client = std::make_shared<CertificateExpiry>();
  const auto trusting = std::make_shared<CertificateExpiry>();
  EXPECT_EQ(server->Get(), std::nullopt);
  const auto server_credentials = CreateServerCredentials({.files = files, .expiry = server});
  const auto client_credentials = CreateChannelCredentials({.files = files, .expiry = client});
  const auto other_credentials =
      CreateChannelCredentials({.files = {.ca = files.ca}, .expiry = trusting});
  ASSERT_TRUE(server_credentials.ok() && client_credentials.ok() && other_credentials.ok());
  EXPECT_EQ(server->Get(), first);
  EXPECT_EQ(client->Get(), first);
  EXPECT_EQ(trusting->Get(), std::nullopt) << "a client without a certificate has no expiry";

  const auto next = authority_.Issue(kHere, absl::Hours(5));
  ReplaceFile(files.key, next.key);
  ReplaceFile(files.certificate, next.certificate);
  const absl::Time later = ReadTlsFiles(files)->expires;
  ASSERT_GT(later, first);
  EXPECT_TRUE(Eventually([&] { return server->Get() == later && client->Get() == later; }));
}

TEST_F(TlsCredentialsTest, RefusesToStartWithoutAFileThatItNeeds) {
  const TlsFiles files = Files("server", authority_, authority_);
  for (const auto& status :
       {CreateServerCredentials({.files = {.ca = files.ca}}).status(),
        CreateServerCredentials({.files = {.certificate = files.certificate}}).status(),
        CreateServerCredentials(
            {.files = {.certificate = files.certificate, .key = files.key}, .allowed_names = {"x"}})
            .status(),
        CreateServerCredentials({.files = {.certificate = files.certificate, .key = files.ca}})
            .status(),
        CreateChannelCredentials({.files = {.certificate = files.certificate, .key = files.key}})
            .status(),
        CreateChannelCredentials({.files = {.ca = files.key}}).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  }
}

}  // namespace
}  // namespace recycling
