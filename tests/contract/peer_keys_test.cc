// API keys at the verifier and the drafter, over real gRPC: who drafts or decodes takes a key for
// inference, who moves matrices one for administration.
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
#include "common/rpc/keyed_channel.h"
#include "common/rpc/rpc_server.h"
#include "drafter/service/drafter_server.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/tiny_model.h"
#include "verifier/service/verifier_server.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using grpc::StatusCode;
using ::testing::HasSubstr;

// A server whose keys are "user" (inference) and "boss" (admin).
class PeerKeysTest : public ::testing::Test {
 protected:
  PeerKeysTest() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    std::ofstream(folder_ + "/keys") << *ApiKeyLine("gateways", KeyRole::kInference, "user") << "\n"
                                     << *ApiKeyLine("ops", KeyRole::kAdmin, "boss") << "\n";
  }
  ~PeerKeysTest() override {
    if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
    std::filesystem::remove_all(folder_);
  }

  std::shared_ptr<const CallerCheck> Callers(const std::string& process_key = "") {
    return std::make_shared<const CallerCheck>(*ApiKeyFile::Open(folder_ + "/keys", clock_),
                                               process_key);
  }
  void Serve(grpc::Service* service) {
    auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}}, {service}, {});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  std::shared_ptr<grpc::Channel> With(const std::string& key) {
    return CreateKeyedChannel(server_->addresses()[0], grpc::InsecureChannelCredentials(), {}, key);
  }

  std::string folder_ = ::testing::TempDir() + "/peer_keys.XXXXXX";
  doubles::FakeClock clock_;
  std::unique_ptr<RpcServer> server_;
};

using Call = std::function<grpc::Status(grpc::ClientContext*)>;

// The codes of `calls`, each made once.
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

TEST_F(PeerKeysTest, TheDraftersCallsTakeAKeyOfTheirRole) {
  const auto drafter = drafter::CreateDrafter({.callers = Callers()});
  ASSERT_THAT(drafter, IsOk());
  Serve((*drafter)->service());
  for (const char* key : {"", "nobody"}) {
    const auto stub = drafter::v1::DrafterService::NewStub(With(key));
    for (const StatusCode code : Codes(DraftCalls(*stub))) {
      EXPECT_EQ(code, StatusCode::UNAUTHENTICATED) << key;
    }
    for (const StatusCode code : Codes(MatrixCalls(*stub))) {
      EXPECT_EQ(code, StatusCode::UNAUTHENTICATED) << key;
    }
  }
  const auto user = drafter::v1::DrafterService::NewStub(With("user"));
  for (const StatusCode code : Codes(MatrixCalls(*user))) {
    EXPECT_EQ(code, StatusCode::PERMISSION_DENIED);
  }
  const auto boss = drafter::v1::DrafterService::NewStub(With("boss"));
  for (const StatusCode code : Codes(DraftCalls(*boss))) {
    EXPECT_EQ(code, StatusCode::PERMISSION_DENIED);
  }
  // With the right key they are judged by what they say.
  for (const auto& codes : {Codes(DraftCalls(*user)), Codes(MatrixCalls(*boss))}) {
    for (const StatusCode code : codes) {
      EXPECT_NE(code, StatusCode::UNAUTHENTICATED);
      EXPECT_NE(code, StatusCode::PERMISSION_DENIED);
    }
  }
  EXPECT_EQ(Codes(MatrixCalls(*boss))[0], StatusCode::OK);
}

TEST_F(PeerKeysTest, EveryCallOfTheVerifierTakesAKeyForInference) {
  const std::string model = folder_ + "/tiny.gguf";
  ASSERT_TRUE(doubles::WriteTinyModel({.vocab_size = 320, .matrix_type = 8}, model));
  const auto verifier = verifier::VerifierServer::Create(
      {.model_path = model, .callers = Callers(), .cost_budget = absl::ZeroDuration()});
  ASSERT_THAT(verifier, IsOk());
  Serve((*verifier)->service());
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
  for (const StatusCode code : codes("boss")) EXPECT_EQ(code, StatusCode::PERMISSION_DENIED);
  const auto user = codes("user");
  EXPECT_EQ(user[0], StatusCode::OK);
  EXPECT_EQ(user[1], StatusCode::OK);
  EXPECT_EQ(user[3], StatusCode::INVALID_ARGUMENT);  // an empty prompt
}

TEST_F(PeerKeysTest, TheSameProcessNeedsNoKeyWhereItIsTrustedButForAdministration) {
  const auto drafter = drafter::CreateDrafter({.callers = Callers("process")});
  ASSERT_THAT(drafter, IsOk());
  Serve((*drafter)->service());
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
