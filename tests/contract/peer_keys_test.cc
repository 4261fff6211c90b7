// API keys at the verifier and the drafter, over real gRPC. Calls that draft or decode need a
// caller of role peer, because their messages name a tenant. Calls that read or replace matrices
// need a caller of role admin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/auth/api_keys.h"
#include "common/decoding/token_id.h"
#include "common/net/tls_credentials.h"
#include "common/rpc/keyed_channel.h"
#include "common/rpc/rpc_server.h"
#include "common/rpc/status_grpc.h"
#include "drafter/service/drafter_server.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/contract/drafter_service_fixture.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/tiny_model.h"
#include "verifier/service/verifier_server.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::IsOkAndHolds;
using doubles::StatusIs;
using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A server whose keys are "user" (inference), "gateway" (peer) and "boss" (admin). A client whose
// certificate has the name gw.test has role peer. A client with the name cl.test has role
// inference.
class PeerKeysTest : public ::testing::Test {
 protected:
  PeerKeysTest() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    std::ofstream(folder_ + "/keys") << *ApiKeyLine("acme", KeyRole::kInference, "user") << "\n"
                                     << *ApiKeyLine("gateways", KeyRole::kPeer, "gateway") << "\n"
                                     << *ApiKeyLine("ops", KeyRole::kAdmin, "boss") << "\n"
                                     << "gateways name:gw.test peer\n"
                                     << "acme name:cl.test inference\n";
  }
  ~PeerKeysTest() override {
    if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
    std::filesystem::remove_all(folder_);
  }

  std::shared_ptr<const CallerCheck> Callers(const std::string& process_key = "") {
    return std::make_shared<const CallerCheck>(*ApiKeyFile::Open(folder_ + "/keys", clock_),
                                               process_key);
  }
  void Serve(grpc::Service* service, std::shared_ptr<grpc::ServerCredentials> credentials = {}) {
    auto server = RpcServer::Start(
        {.listen = {"127.0.0.1:0"}, .credentials = std::move(credentials)}, {service}, {});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  void ServeDrafter(std::unique_ptr<drafter::DrafterServer> drafter) {
    drafter_ = std::move(drafter);
    Serve(drafter_->service());
  }
  std::shared_ptr<grpc::Channel> With(const std::string& key) {
    return CreateKeyedChannel(server_->addresses()[0], grpc::InsecureChannelCredentials(), {}, key);
  }

  std::string folder_ = ::testing::TempDir() + "/peer_keys.XXXXXX";
  doubles::FakeClock clock_;
  std::unique_ptr<drafter::DrafterServer> drafter_;  // must outlive the server
  std::unique_ptr<RpcServer> server_;
};

using Call = std::function<grpc::Status(grpc::ClientContext*)>;

// Makes each call once and returns their codes.
std::vector<StatusCode> Codes(const std::vector<Call>& calls) {
  std::vector<StatusCode> codes;
  for (const Call& call : calls) {
    grpc::ClientContext context;
    codes.push_back(call(&context).error_code());
  }
  return codes;
}

std::vector<Call> DraftCalls(drafter::v1::DrafterService::Stub& stub) {
  return {[&](auto* context) {
            drafter::v1::HandshakeResponse response;
            return stub.Handshake(context, {}, &response);
          },
          [&](auto* context) {
            drafter::v1::ProposeResponse response;
            return stub.Propose(context, {}, &response);
          },
          [&](auto* context) {
            drafter::v1::ObserveResponse response;
            return stub.Observe(context, {}, &response);
          },
          [&](auto* context) {
            const auto stream = stub.Draft(context);
            stream->Write({});  // a step before open
            drafter::v1::DraftResponse response;
            while (stream->Read(&response)) {
            }
            return stream->Finish();
          }};
}

std::vector<Call> MatrixCalls(drafter::v1::DrafterService::Stub& stub) {
  return {[&](auto* context) {
            drafter::v1::GetMatrixInfoResponse response;
            return stub.GetMatrixInfo(context, {}, &response);
          },
          [&](auto* context) {
            const auto stream = stub.SaveMatrix(context, {});
            drafter::v1::SaveMatrixResponse response;
            while (stream->Read(&response)) {
            }
            return stream->Finish();
          },
          [&](auto* context) {
            drafter::v1::LoadMatrixResponse response;
            const auto stream = stub.LoadMatrix(context, &response);
            stream->WritesDone();
            return stream->Finish();
          }};
}

TEST_F(PeerKeysTest, EveryCallOfTheDrafterNeedsItsRole) {
  auto drafter = drafter::CreateDrafter({.callers = Callers()});
  ASSERT_THAT(drafter, IsOk());
  ServeDrafter(*std::move(drafter));
  for (const char* key : {"", "nobody"}) {
    const auto stub = drafter::v1::DrafterService::NewStub(With(key));
    for (const StatusCode code : Codes(DraftCalls(*stub))) {
      EXPECT_EQ(code, StatusCode::UNAUTHENTICATED) << key;
    }
    for (const StatusCode code : Codes(MatrixCalls(*stub))) {
      EXPECT_EQ(code, StatusCode::UNAUTHENTICATED) << key;
    }
  }
  const auto gateway = drafter::v1::DrafterService::NewStub(With("gateway"));
  const auto user = drafter::v1::DrafterService::NewStub(With("user"));
  const auto boss = drafter::v1::DrafterService::NewStub(With("boss"));
  for (const auto& codes : {Codes(DraftCalls(*user)), Codes(DraftCalls(*boss)),
                            Codes(MatrixCalls(*user)), Codes(MatrixCalls(*gateway))}) {
    for (const StatusCode code : codes) EXPECT_EQ(code, StatusCode::PERMISSION_DENIED);
  }
  // With the right key a call may fail for another reason, but not because of the key.
  for (const auto& codes : {Codes(DraftCalls(*gateway)), Codes(MatrixCalls(*boss))}) {
    for (const StatusCode code : codes) {
      EXPECT_NE(code, StatusCode::UNAUTHENTICATED);
      EXPECT_NE(code, StatusCode::PERMISSION_DENIED);
    }
  }
  EXPECT_EQ(Codes(MatrixCalls(*boss))[0], StatusCode::OK);
}

using drafter::Ask;
using drafter::Rows;
using drafter::Session;

// The tokens of the tree that the drafter proposes for `tenant`, or the error.
absl::StatusOr<std::vector<TokenId>> Propose(drafter::v1::DrafterService::Stub& stub,
                                             const std::string& tenant) {
  drafter::v1::ProposeRequest request;
  *request.mutable_session() = Session(common::v1::MATRIX_SCOPE_TENANT, tenant);
  *request.mutable_proposal() = Ask(/*root=*/1, /*max_nodes=*/2, /*max_depth=*/1);
  drafter::v1::ProposeResponse response;
  grpc::ClientContext context;
  const absl::Status status = FromGrpcStatus(stub.Propose(&context, request, &response));
  const std::vector<TokenId> tokens(response.tree().tokens().begin(),
                                    response.tree().tokens().end());
  if (status.ok()) return tokens;
  EXPECT_THAT(tokens, IsEmpty());
  return status;
}

// Writes `first` and `second` into the matrix of `tenant` as candidates after token 1.
absl::Status Teach(drafter::v1::DrafterService::Stub& stub, const std::string& tenant,
                   TokenId first, TokenId second) {
  drafter::v1::ObserveRequest request;
  *request.mutable_session() = Session(common::v1::MATRIX_SCOPE_TENANT, tenant);
  *request.mutable_observation() = Rows({1}, {first, second});
  drafter::v1::ObserveResponse response;
  grpc::ClientContext context;
  return FromGrpcStatus(stub.Observe(&context, request, &response));
}

TEST_F(PeerKeysTest, AnInferenceKeyNeitherReadsNorWritesTheMatrixOfATenantThatItNames) {
  auto drafter = drafter::CreateDrafter({.callers = Callers()});
  ASSERT_THAT(drafter, IsOk());
  ServeDrafter(*std::move(drafter));
  const auto gateway = drafter::v1::DrafterService::NewStub(With("gateway"));
  const auto user = drafter::v1::DrafterService::NewStub(With("user"));
  ASSERT_THAT(Teach(*gateway, "victim", 2, 3), IsOk());
  ASSERT_THAT(Propose(*gateway, "victim"), IsOkAndHolds(ElementsAre(2, 3)));

  const auto refused =
      StatusIs(absl::StatusCode::kPermissionDenied,
               HasSubstr("needs a caller of role peer, got one of role inference"));
  EXPECT_THAT(Propose(*user, "victim"), refused);
  EXPECT_THAT(Teach(*user, "victim", 8, 9), refused);
  {
    drafter::Stream stream(user.get(), Session(common::v1::MATRIX_SCOPE_TENANT, "victim"));
    const auto rows = Rows({1}, {8, 9});
    const auto proposal = Ask(1);
    stream.Send(0, &rows, &proposal);
    EXPECT_THAT(stream.Finish(), refused);
  }
  const auto not_admin = StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("role admin"));
  {
    grpc::ClientContext context;
    drafter::v1::SaveMatrixRequest request;
    request.set_tenant("victim");
    const auto stream = user->SaveMatrix(&context, request);
    drafter::v1::SaveMatrixResponse response;
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_THAT(FromGrpcStatus(stream->Finish()), not_admin);
  }
  {
    grpc::ClientContext context;
    drafter::v1::LoadMatrixResponse response;
    const auto stream = user->LoadMatrix(&context, &response);
    drafter::v1::LoadMatrixRequest request;
    request.mutable_target()->set_tenant("victim");
    stream->Write(request);
    stream->WritesDone();
    EXPECT_THAT(FromGrpcStatus(stream->Finish()), not_admin);
  }
  EXPECT_THAT(Propose(*gateway, "victim"), IsOkAndHolds(ElementsAre(2, 3)))
      << "the matrix is unchanged";
}

class VerifierKeysTest : public PeerKeysTest {
 protected:
  VerifierKeysTest() {
    const std::string model = folder_ + "/tiny.gguf";
    EXPECT_TRUE(doubles::WriteTinyModel({.vocab_size = 320, .matrix_type = 8}, model));
    auto verifier = verifier::VerifierServer::Create(
        {.model_path = model, .callers = Callers(), .cost_budget = absl::ZeroDuration()});
    EXPECT_THAT(verifier, IsOk());
    verifier_ = *std::move(verifier);
  }
  // The server must end before its service.
  ~VerifierKeysTest() override { server_.reset(); }

  std::unique_ptr<verifier::VerifierServer> verifier_;
};

TEST_F(VerifierKeysTest, AnInferenceKeyCannotLearnTheCachedTokensOfATenantThatItNames) {
  Serve(verifier_->service());
  verifier::v1::VerifyRequest request;
  for (TokenId i = 0; i < 200; ++i) request.mutable_open()->add_prompt_ids(5 + i % 7);
  request.mutable_open()->set_tenant("victim");
  const auto ask = [&](const std::string& key, std::uint32_t* cached) {
    const auto stub = verifier::v1::VerifierService::NewStub(With(key));
    grpc::ClientContext context;
    verifier::v1::VerifyResponse response;
    const grpc::Status status = stub->Verify(&context, request, &response);
    *cached = response.opened().cached_tokens();
    return FromGrpcStatus(status);
  };
  std::uint32_t cached = 0;
  ASSERT_THAT(ask("gateway", &cached), IsOk());
  EXPECT_EQ(cached, 0u);
  ASSERT_THAT(ask("gateway", &cached), IsOk());
  EXPECT_GT(cached, 0u) << "the verifier keeps the victim's prompt and reports this to a peer";

  const auto refused = StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("role peer"));
  EXPECT_THAT(ask("user", &cached), refused);
  EXPECT_EQ(cached, 0u);
  const auto stub = verifier::v1::VerifierService::NewStub(With("user"));
  grpc::ClientContext context;
  const auto stream = stub->Decode(&context);
  verifier::v1::DecodeRequest open;
  *open.mutable_open() = request.open();
  stream->Write(open);
  stream->WritesDone();
  verifier::v1::DecodeResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(FromGrpcStatus(stream->Finish()), refused);
}

TEST_F(VerifierKeysTest, APeerWithACertificateNeedsNoKey) {
  doubles::CertificateAuthority authority("authority");
  const auto files = [&](const std::string& name, const std::string& names) {
    return doubles::WriteTlsFiles(folder_, name, authority.Issue(names), authority.certificate());
  };
  const auto credentials = CreateServerCredentials({.files = files("server", "IP:127.0.0.1")});
  ASSERT_THAT(credentials, IsOk());
  Serve(verifier_->service(), *credentials);
  const auto ask = [&](const TlsFiles& client, const std::string& key) {
    const auto channel = CreateKeyedChannel(server_->addresses()[0],
                                            *CreateChannelCredentials({.files = client}), {}, key);
    grpc::ClientContext context;
    verifier::v1::HandshakeResponse response;
    return verifier::v1::VerifierService::NewStub(channel)
        ->Handshake(&context, {}, &response)
        .error_code();
  };
  const TlsFiles gateway = files("gateway", "DNS:other.test,DNS:gw.test");
  const TlsFiles client = files("client", "DNS:cl.test");
  const TlsFiles stranger = files("stranger", "DNS:gw.test.example,DNS:test");
  EXPECT_EQ(ask(gateway, ""), StatusCode::OK);
  EXPECT_EQ(ask(client, ""), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ask(stranger, ""), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ask(stranger, "gateway"), StatusCode::OK);
  // If the client sends a key, the key decides and not the certificate.
  EXPECT_EQ(ask(gateway, "user"), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ask(gateway, "nobody"), StatusCode::UNAUTHENTICATED);
}

TEST_F(VerifierKeysTest, EveryCallOfTheVerifierNeedsRolePeer) {
  Serve(verifier_->service());
  const auto codes = [&](const std::string& key) {
    const auto stub = verifier::v1::VerifierService::NewStub(With(key));
    return Codes({[&](auto* context) {
                    verifier::v1::HandshakeResponse response;
                    return stub->Handshake(context, {}, &response);
                  },
                  [&](auto* context) {
                    const auto stream = stub->GetTokenizer(context, {});
                    verifier::v1::GetTokenizerResponse response;
                    while (stream->Read(&response)) {
                    }
                    return stream->Finish();
                  },
                  [&](auto* context) {
                    const auto stream = stub->Decode(context);
                    stream->WritesDone();
                    verifier::v1::DecodeResponse response;
                    while (stream->Read(&response)) {
                    }
                    return stream->Finish();
                  },
                  [&](auto* context) {
                    verifier::v1::VerifyResponse response;
                    return stub->Verify(context, {}, &response);
                  }});
  };
  for (const StatusCode code : codes("")) EXPECT_EQ(code, StatusCode::UNAUTHENTICATED);
  for (const std::string key : {"boss", "user"}) {
    for (const StatusCode code : codes(key)) EXPECT_EQ(code, StatusCode::PERMISSION_DENIED) << key;
  }
  const auto gateway = codes("gateway");
  EXPECT_EQ(gateway[0], StatusCode::OK);
  EXPECT_EQ(gateway[1], StatusCode::OK);
  EXPECT_EQ(gateway[3], StatusCode::INVALID_ARGUMENT);  // an empty prompt
}

TEST_F(PeerKeysTest, TheKeyOfTheProcessHasOnlyTheRolePeer) {
  auto drafter = drafter::CreateDrafter({.callers = Callers("process")});
  ASSERT_THAT(drafter, IsOk());
  ServeDrafter(*std::move(drafter));
  const auto inside = drafter::v1::DrafterService::NewStub(server_->InProcessChannel("process"));
  for (const StatusCode code : Codes(DraftCalls(*inside))) {
    EXPECT_NE(code, StatusCode::UNAUTHENTICATED);
  }
  for (const StatusCode code : Codes(MatrixCalls(*inside))) {
    EXPECT_EQ(code, StatusCode::UNAUTHENTICATED);
  }
  const auto outside = drafter::v1::DrafterService::NewStub(server_->InProcessChannel());
  for (const StatusCode code : Codes(DraftCalls(*outside))) {
    EXPECT_EQ(code, StatusCode::UNAUTHENTICATED);
  }
}

TEST_F(PeerKeysTest, AKeyFileHoldsOneKeyAndNoMessageShowsIt) {
  const auto read = [&](const std::string& text) {
    std::ofstream(folder_ + "/key") << text;
    return ReadKeyFile("--key", folder_ + "/key");
  };
  EXPECT_EQ(*read("rk_x"), "rk_x");
  EXPECT_EQ(*read("rk_x\r\n"), "rk_x");
  EXPECT_EQ(*read(std::string(512, 'x') + "\n"), std::string(512, 'x'));
  for (const std::string& bad :
       {std::string(), std::string("\n"), std::string("secret two\n"), std::string("secret\nx"),
        "secret" + std::string(600, 'x'), std::string("secret\x01")}) {
    const auto key = read(bad);
    EXPECT_THAT(key, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(folder_ + "/key")));
    EXPECT_THAT(std::string(key.status().message()), ::testing::Not(HasSubstr("secret")));
  }
  EXPECT_THAT(ReadKeyFile("--key", folder_ + "/none"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("No such file")));
}

}  // namespace
}  // namespace recycling
