#include "gateway/cli/matrix_fill.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/rpc/protocol_version.h"
#include "common/rpc/tokenizer_proto.h"
#include "drafter/store/snapshot.h"
#include "tests/doubles/matchers.h"

namespace recycling::cli {
namespace {

namespace pb = verifier::v1;

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kVocab = 150;
constexpr std::uint32_t kK = 3;

std::vector<TokenId> RowOf(TokenId token) {
  return {(token + 1) % kVocab, (token + 5) % kVocab, (token + 2) % kVocab};
}

// A verifier whose candidates after a token depend on this token alone. A test edits its answers.
class ScriptedVerifier final : public pb::VerifierService::Service {
 public:
  ScriptedVerifier() {
    info.mutable_model()->set_model_id("toy");
    info.mutable_model()->set_vocab_size(kVocab);
    info.mutable_model()->set_tokenizer_digest(std::string(32, 'd'));
    info.set_protocol_version(kProtocolVersion);
    info.set_k(kK);
    info.set_max_tree_nodes(64);
    info.set_context_length(128);
    info.set_numerics_id("n");
    tokenizer.model = "llama";
    tokenizer.tokens.assign(kVocab, "x");
    tokenizer.bos = 7;
  }

  grpc::Status Handshake(grpc::ServerContext*, const pb::HandshakeRequest*,
                         pb::HandshakeResponse* response) override {
    *response = info;
    return grpc::Status::OK;
  }
  grpc::Status GetTokenizer(grpc::ServerContext*, const pb::GetTokenizerRequest*,
                            grpc::ServerWriter<pb::GetTokenizerResponse>* writer) override {
    const auto chunks = SplitTokenizerData(tokenizer);
    EXPECT_THAT(chunks, IsOk());
    for (const std::string& chunk : *chunks) {
      pb::GetTokenizerResponse response;
      response.set_chunk(chunk);
      writer->Write(response);
    }
    return grpc::Status::OK;
  }
  grpc::Status Verify(grpc::ServerContext*, const pb::VerifyRequest* request,
                      pb::VerifyResponse* response) override {
    // A later request may run on another thread.
    MutexLock lock(mutex_);
    requests_.push_back(*request);
    pb::StepVerified& verified = *response->mutable_verified();
    verified.set_verified_nodes(static_cast<std::uint32_t>(request->verify().tree().tokens_size()));
    common::v1::Candidates& rows = *verified.mutable_candidates();
    rows.set_k(kK);
    const auto add = [&](TokenId token) {
      for (const TokenId id : RowOf(token)) rows.add_ids(id);
    };
    add(request->verify().tree().root());
    for (const TokenId token : request->verify().tree().tokens()) add(token);
    return edit == nullptr ? grpc::Status::OK : edit(*response);
  }

  pb::HandshakeResponse info;
  TokenizerData tokenizer;
  std::function<grpc::Status(pb::VerifyResponse& response)> edit;

  // Returns the requests since the last call.
  std::vector<pb::VerifyRequest> TakeRequests() {
    MutexLock lock(mutex_);
    return std::exchange(requests_, {});
  }

 private:
  Mutex mutex_;
  std::vector<pb::VerifyRequest> requests_ ABSL_GUARDED_BY(mutex_);
};

class MatrixFillTest : public ::testing::Test {
 protected:
  absl::StatusOr<FilledMatrix> Fill() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&verifier_);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    const auto stub = pb::VerifierService::NewStub(server->InProcessChannel({}));
    progress_.clear();
    return FillMatrix(*stub, absl::Minutes(1), [this](std::uint32_t done, std::uint32_t all) {
      progress_.push_back(done);
      EXPECT_EQ(all, kVocab);
    });
  }

  static void ExpectEveryRow(const absl::StatusOr<FilledMatrix>& matrix) {
    ASSERT_THAT(matrix, IsOk());
    ASSERT_EQ(matrix->ids.size(), kVocab * kK);
    for (TokenId token = 0; token < kVocab; ++token) {
      const std::vector<TokenId> row(matrix->ids.begin() + token * kK,
                                     matrix->ids.begin() + (token + 1) * kK);
      EXPECT_EQ(row, RowOf(token)) << token;
    }
  }

  static std::vector<int> SizesOf(const std::vector<pb::VerifyRequest>& requests) {
    std::vector<int> sizes;
    for (const auto& request : requests) sizes.push_back(request.verify().tree().tokens_size());
    return sizes;
  }

  ScriptedVerifier verifier_;
  std::vector<std::uint32_t> progress_;
};

TEST_F(MatrixFillTest, AsksForEveryTokenBelowTheSameRoot) {
  const auto matrix = Fill();
  ExpectEveryRow(matrix);
  EXPECT_EQ(matrix->model.model_id, "toy");
  EXPECT_EQ(matrix->k, kK);
  const std::vector<pb::VerifyRequest> requests = verifier_.TakeRequests();
  EXPECT_THAT(SizesOf(requests), ElementsAre(64, 64, 22));
  EXPECT_THAT(progress_, ElementsAre(64, 128, 150));
  for (const pb::VerifyRequest& request : requests) {
    EXPECT_THAT(request.open().prompt_ids(), ElementsAre(7));
    EXPECT_TRUE(request.open().generated_ids().empty());
    EXPECT_TRUE(request.open().want_candidates());
    EXPECT_EQ(request.open().numerics_id(), "n");
    EXPECT_EQ(request.open().model().model_id(), "toy");
    EXPECT_EQ(request.verify().tree().root(), 7u);
    EXPECT_THAT(request.verify().tree().parents(), Each(0u));
  }
}

TEST_F(MatrixFillTest, WithoutABeginningTokenTheTextBeginsWithAnEndOrTokenZero) {
  verifier_.tokenizer.bos.reset();
  verifier_.info.add_eos_token_ids(11);
  ExpectEveryRow(Fill());
  EXPECT_THAT(verifier_.TakeRequests().at(0).open().prompt_ids(), ElementsAre(11));
  verifier_.info.clear_eos_token_ids();
  ExpectEveryRow(Fill());
  EXPECT_THAT(verifier_.TakeRequests().at(0).open().prompt_ids(), ElementsAre(0));
}

TEST_F(MatrixFillTest, TreesRespectTheLimitOfTheVerifierAndOfTheClient) {
  verifier_.info.set_max_tree_nodes(100);
  ExpectEveryRow(Fill());
  EXPECT_THAT(SizesOf(verifier_.TakeRequests()), ElementsAre(64, 64, 22));
  verifier_.info.set_max_tree_nodes(50);
  ExpectEveryRow(Fill());
  EXPECT_THAT(SizesOf(verifier_.TakeRequests()), ElementsAre(50, 50, 50));
}

TEST_F(MatrixFillTest, GoesOnWithTheTokensThatAPassHadNoRoomFor) {
  int calls = 0;
  verifier_.edit = [&calls](pb::VerifyResponse& response) {
    ++calls;
    if (calls == 3) {
      return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "no sequence is free");
    }
    const std::uint32_t room = calls % 2 == 0 ? 0 : 60;
    pb::StepVerified& verified = *response.mutable_verified();
    if (room < verified.verified_nodes()) {
      verified.set_verified_nodes(room);
      verified.mutable_candidates()->mutable_ids()->Truncate(static_cast<int>((room + 1) * kK));
    }
    return grpc::Status::OK;
  };
  ExpectEveryRow(Fill());
  EXPECT_THAT(SizesOf(verifier_.TakeRequests()), ElementsAre(64, 64, 64, 64, 64, 30, 30));
}

TEST_F(MatrixFillTest, AMalformedAnswerIsAnErrorThatNamesTheCall) {
  const auto fails = [this](const char* message, std::function<void(pb::StepVerified&)> edit) {
    verifier_.edit = [edit](pb::VerifyResponse& response) {
      edit(*response.mutable_verified());
      return grpc::Status::OK;
    };
    EXPECT_THAT(Fill(), StatusIs(absl::StatusCode::kInternal, HasSubstr(message)));
  };
  fails("verify: got 65 nodes", [](auto& verified) { verified.set_verified_nodes(65); });
  fails("an ignored tree", [](auto& verified) { verified.set_draft_ignored(true); });
  fails("verify: ", [](auto& verified) { verified.clear_candidates(); });
  fails("verify: ", [](auto& verified) { verified.mutable_candidates()->add_ids(1); });
  fails("verify: ", [](auto& verified) { verified.mutable_candidates()->set_ids(5, kVocab); });
  fails("a candidate twice in row 1", [](auto& verified) {
    auto& ids = *verified.mutable_candidates();
    ids.set_ids(4, ids.ids(3));
  });
  fails("candidates with k 1, expected 3", [](auto& verified) {
    verified.mutable_candidates()->set_k(1);
    verified.mutable_candidates()->mutable_ids()->Truncate(65);
  });
}

TEST_F(MatrixFillTest, AHandshakeThatCannotServeIsRefused) {
  const pb::HandshakeResponse good = verifier_.info;
  const auto fails = [&](absl::StatusCode code, const char* message,
                         const std::function<void(pb::HandshakeResponse&)>& edit) {
    verifier_.info = good;
    edit(verifier_.info);
    EXPECT_THAT(Fill(), StatusIs(code, HasSubstr(message)));
    EXPECT_TRUE(verifier_.TakeRequests().empty());
  };
  constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
  constexpr auto kInternal = absl::StatusCode::kInternal;
  fails(kPrecondition, "protocol_version: got 9", [](auto& i) { i.set_protocol_version(9); });
  fails(kPrecondition, "max_tree_nodes 0", [](auto& i) { i.set_max_tree_nodes(0); });
  fails(kPrecondition, "context length 1", [](auto& i) { i.set_context_length(1); });
  fails(kInternal, "k: got 0", [](auto& i) { i.set_k(0); });
  fails(kInternal, "k: got 65", [](auto& i) { i.set_k(65); });
  fails(kInternal, "vocab_size", [](auto& i) { i.mutable_model()->set_vocab_size(0); });
  fails(kInternal, "model_id", [](auto& i) { i.mutable_model()->clear_model_id(); });
  verifier_.tokenizer.bos.reset();
  fails(kInternal, "the first token 150", [](auto& i) { i.add_eos_token_ids(kVocab); });
}

TEST_F(MatrixFillTest, OtherErrorsOfTheVerifierComeBackAtOnce) {
  verifier_.edit = [](pb::VerifyResponse&) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "another model");
  };
  EXPECT_THAT(Fill(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another model")));
  EXPECT_EQ(verifier_.TakeRequests().size(), 1u);
}

TEST(EncodeFilledMatrixTest, IsASnapshotThatTheDrafterReads) {
  FilledMatrix matrix = {
      .model = {.model_id = "tiny", .vocab_size = 6, .tokenizer_digest = std::string(32, 'd')},
      .k = 2,
      .ids = {1, 2, 2, 3, 3, 4, 4, 5, 5, 0, 0, 1}};
  const std::string bytes = EncodeFilledMatrix(matrix);
  const auto snapshot = drafter::Snapshot::Parse(bytes);
  ASSERT_THAT(snapshot, IsOk());
  EXPECT_EQ(snapshot->binding(), (drafter::MatrixBinding{matrix.model, 2}));
  drafter::ScopeMemory memory(6, 2);
  snapshot->Restore(&memory);
  for (TokenId token = 0; token < 6; ++token) {
    std::array<TokenId, 2> row;
    ASSERT_EQ(memory.matrix.ReadRow(token, row), 2u);
    EXPECT_THAT(row, ElementsAre((token + 1) % 6, (token + 2) % 6));
  }
  EXPECT_EQ(drafter::EncodeSnapshot(matrix.model, memory), bytes) << "byte for byte the same";
}

}  // namespace
}  // namespace recycling::cli
