// Runs the programs with TLS. Checks which connections and flags they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/net/tls_credentials.h"
#include "common/program/program.h"
#include "common/rpc/health_client.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/proto_matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"
#include "tests/integration/subprocess.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;
using doubles::CertificateAuthority;
using doubles::ParseProto;
using doubles::WriteTlsFiles;
using ::recycling::testing::ProcessResult;
using ::recycling::testing::ReadFile;
using ::recycling::testing::Subprocess;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr absl::Duration kLong = absl::Minutes(1);

pb::GenerateRequest Request(int max_tokens) {
  auto request =
      ParseProto<pb::GenerateRequest>("prompt: 'the way of the' sampling { ignore_eos: true }");
  request.mutable_sampling()->set_max_tokens(static_cast<std::uint32_t>(max_tokens));
  return request;
}

// Every program has a certificate with its own name. The verifier and the drafter accept only the
// gateway.
class LockedTest : public ::testing::Test {
 protected:
  TlsFiles Issue(const std::string& name, CertificateAuthority& authority) {
    return WriteTlsFiles(cluster_.folder().path(), name, authority.Issue("DNS:" + name),
                         authority_.certificate());
  }

  static std::vector<std::string> Flags(const std::string& prefix, const TlsFiles& files) {
    return {"--" + prefix + "tls_cert=" + files.certificate, "--" + prefix + "tls_key=" + files.key,
            "--" + prefix + "tls_ca=" + files.ca};
  }

  void StartDrafter(const std::string& listen = "127.0.0.1:0") {
    auto flags = Flags("", drafter_files_);
    flags.push_back("--tls_allowed_names=gateway");
    drafter_ = cluster_.Start("recycling-drafter", flags, listen);
  }

  void StartAll() {
    auto flags = Flags("", verifier_files_);
    flags.insert(flags.end(), {"--tls_allowed_names=gateway", "--health_listen=127.0.0.1:0",
                               "--model=" + TinyModel(cluster_.folder().path()), "--threads=1"});
    verifier_ = cluster_.Start("recycling-verifier", flags);
    StartDrafter();
    flags = Flags("peer_", gateway_files_);
    flags.insert(flags.end(),
                 {"--tls_cert=" + gateway_files_.certificate, "--tls_key=" + gateway_files_.key,
                  "--peer_tls_names=verifier,drafter", "--verifiers=" + verifier_,
                  "--drafters=" + drafter_, "--draft_deadline_ms=60000", "--speculation=fixed"});
    gateway_ = cluster_.Start("recycling-gateway", flags);
    channel_ = Channel(gateway_, {.files = {.ca = gateway_files_.ca}, .names = {"gateway"}});
    ASSERT_TRUE(Eventually([this] { return AllPeersReady(channel_); }));
  }

  static std::shared_ptr<grpc::Channel> Channel(const std::string& address,
                                                const ChannelTlsOptions& options) {
    const auto credentials = CreateChannelCredentials(options);
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    return grpc::CreateChannel(address, *credentials);
  }

  Cluster cluster_;
  CertificateAuthority authority_{"authority"};
  TlsFiles verifier_files_ = Issue("verifier", authority_);
  TlsFiles drafter_files_ = Issue("drafter", authority_);
  TlsFiles gateway_files_ = Issue("gateway", authority_);
  std::string verifier_, drafter_, gateway_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(LockedTest, ServicesUseMutualTlsAndRefuseOtherCallers) {
  StartAll();
  const Output output = Generate(channel_, Request(100));
  ASSERT_TRUE(output.status.ok()) << output.ForPeople();
  EXPECT_THAT(output.ids, SizeIs(100));
  EXPECT_GT(output.final.speculation().drafted_steps(), 0u);
  EXPECT_EQ(output.Fallbacks(), 0u);

  const Output plaintext = Generate(Connect(gateway_), Request(1));
  EXPECT_EQ(plaintext.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(OpenSequences(Connect(verifier_)), -1);
  const ChannelTlsOptions nobody = {.files = {.ca = gateway_files_.ca}, .names = {"verifier"}};
  EXPECT_EQ(OpenSequences(Channel(verifier_, nobody)), -1);
  const ChannelTlsOptions drafter = {.files = drafter_files_, .names = {"verifier"}};
  EXPECT_EQ(OpenSequences(Channel(verifier_, drafter)), -1) << "the verifier must refuse this name";
  const ChannelTlsOptions gateway = {.files = gateway_files_, .names = {"verifier"}};
  EXPECT_EQ(OpenSequences(Channel(verifier_, gateway)), 0);
}

TEST_F(LockedTest, HealthIsServedInPlaintextOnASeparatePort) {
  StartAll();
  const std::string ports = ReadFile(cluster_.folder() / "0.port");
  const std::string health =
      ports.substr(ports.find('\n') + 1, ports.rfind('\n') - ports.find('\n') - 1);
  EXPECT_TRUE(CheckHealth(Connect(health), "recycling.verifier.v1.VerifierService", kLong).value());
  EXPECT_EQ(OpenSequences(Connect(health)), -1);
}

TEST_F(LockedTest, TheClientProgramChecksTheGatewaysCertificate) {
  StartAll();
  const auto generate = [this](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"generate", "--gateway",    gateway_, "--prompt",
                                          "the way",  "--max_tokens", "3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Subprocess("recycling", arguments).Wait();
  };
  const ProcessResult done = generate({"--tls_ca", gateway_files_.ca, "--tls_name", "gateway"});
  EXPECT_EQ(done.exit_code, kExitOk) << done.err;
  EXPECT_EQ(generate({"--tls_ca", gateway_files_.ca}).exit_code, kExitFailure);
  EXPECT_EQ(generate({}).exit_code, kExitFailure);
}

TEST_F(LockedTest, ARunningGatewayAcceptsPeersOfANewlyAddedAuthority) {
  StartAll();
  CertificateAuthority next("next");
  cluster_.Kill(drafter_);
  Issue("drafter", next);
  StartDrafter(drafter_);
  ASSERT_TRUE(Eventually([this] { return !AllPeersReady(channel_); }));
  doubles::ReplaceFile(gateway_files_.ca, authority_.certificate() + next.certificate());
  EXPECT_TRUE(Eventually([this] { return AllPeersReady(channel_); }));
  EXPECT_EQ(Generate(channel_, Request(20)).Fallbacks(), 0u);
}

TEST_F(LockedTest, AdminCallsBeyondLoopbackNeedApiKeysOrAFlag) {
  StartAll();
  const auto draft_info = [&](const std::string& address) {
    const auto channel = Channel(address, {.files = gateway_files_, .names = {"drafter"}});
    grpc::ClientContext context;
    drafter::v1::GetMatrixInfoResponse response;
    return drafter::v1::DrafterService::NewStub(channel)->GetMatrixInfo(&context, {}, &response);
  };
  EXPECT_TRUE(draft_info(drafter_).ok()) << "a drafter on loopback must allow admin calls";
  StartDrafter("0.0.0.0:0");
  const grpc::Status refused = draft_info(drafter_);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(refused.error_message(),
              AllOf(HasSubstr("--api_keys"), HasSubstr("--allow_open_admin")));

  // A gateway makes no admin calls, so it can use this drafter.
  auto flags = Flags("peer_", gateway_files_);
  flags.insert(flags.end(),
               {"--tls_cert=" + gateway_files_.certificate, "--tls_key=" + gateway_files_.key,
                "--peer_tls_names=verifier,drafter", "--verifiers=" + verifier_,
                "--drafters=127.0.0.1" + drafter_.substr(drafter_.rfind(':')),
                "--draft_deadline_ms=60000", "--speculation=fixed"});
  const auto drain = [&](const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    pb::DrainResponse response;
    return pb::GatewayService::NewStub(channel)->Drain(&context, {}, &response).error_code();
  };
  const ChannelTlsOptions client = {.files = {.ca = gateway_files_.ca}, .names = {"gateway"}};
  const auto closed = Channel(cluster_.Start("recycling-gateway", flags, "0.0.0.0:0"), client);
  EXPECT_EQ(drain(closed), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(Eventually([&] {
    const Output output = Generate(closed, Request(20));
    return output.status.ok() && output.final.speculation().drafted_steps() > 0;
  }));
  flags.push_back("--allow_open_admin");
  const auto open = Channel(cluster_.Start("recycling-gateway", flags, "0.0.0.0:0"), client);
  EXPECT_EQ(drain(open), grpc::StatusCode::OK);
}

TEST_F(LockedTest, ProgramsRefuseUnsafeFlagsAndNameThem) {
  const TlsFiles& files = drafter_files_;
  const std::string key = "--tls_key=" + gateway_files_.key;
  const auto expect = [](const std::string& program, const std::vector<std::string>& arguments,
                         const std::string& said, const std::string& more = "") {
    const ProcessResult result = Subprocess(program, arguments).Wait();
    EXPECT_EQ(result.exit_code, kExitUsage) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr(said), HasSubstr(more)));
  };
  expect("recycling-drafter", {"--listen=0.0.0.0:0"}, "0.0.0.0:0 in plaintext",
         "--allow_plaintext");
  expect("recycling-drafter", {"--listen=127.0.0.1:0", "--metrics_listen=:0"},
         "metrics_listen: got :0", "--metrics_allow_plaintext");
  expect("recycling-drafter", {"--tls_cert=" + files.certificate, key}, gateway_files_.key,
         "not that of the first certificate in " + files.certificate);
  expect("recycling-drafter", {"--tls_ca=" + files.ca}, "--tls_cert");
  expect("recycling-gateway", {"--verifiers=10.0.0.1:1"}, "10.0.0.1:1 in plaintext");
  expect("recycling-gateway", {"--drafters=dns:///drafter:1"}, "drafter:1 in plaintext");
  expect("recycling-gateway", {"--peer_tls_cert=" + files.certificate}, "--peer_tls_ca");
  expect("recycling", {"generate", "--gateway", "10.0.0.1:1", "--prompt", "x"},
         "10.0.0.1:1 in plaintext", "--tls_ca");
  expect("recycling", {"stats", "--gateway", "http://x:1"}, "--gateway: got \"http://x:1\"");
  expect("recycling", {"matrix", "info", "--drafter", "x"}, "--drafter: got \"x\"");
  expect("recycling", {"health", "127.0.0.1:1", "nowhere"}, "got \"nowhere\"");
}

}  // namespace
}  // namespace recycling::integration
