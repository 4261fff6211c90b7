// Runs `recycling matrix fill` against a verifier, and uses its file in a drafter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "drafter/store/base_matrix.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/doubles/matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"
#include "tests/integration/subprocess.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;

using doubles::IsOk;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

constexpr TokenId kFirstToken = 1;  // <s> of the tiny model

class MatrixFillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    verifier_ = cluster_.Start(
        "recycling-verifier",
        {"--model=" + TinyModel(cluster_.folder().path()), "--threads=1", "--max_sequences=2"});
    ASSERT_FALSE(verifier_.empty());
  }

  testing::ProcessResult Fill(const std::string& verifier, const std::string& out) {
    return testing::Subprocess("recycling",
                               {"matrix", "fill", "--verifier=" + verifier, "--out=" + out})
        .Wait();
  }

  // What the verifier says in a plain step after `prompt`.
  std::vector<TokenId> CandidatesAfter(const std::vector<TokenId>& prompt) {
    verifier::v1::VerifyRequest request;
    request.mutable_open()->mutable_prompt_ids()->Add(prompt.begin(), prompt.end());
    request.mutable_open()->set_want_candidates(true);
    verifier::v1::VerifyResponse response;
    grpc::ClientContext context;
    const auto stub = verifier::v1::VerifierService::NewStub(Connect(verifier_));
    const grpc::Status status = stub->Verify(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    const auto& ids = response.verified().candidates().ids();
    return {ids.begin(), ids.end()};
  }

  Cluster cluster_;
  std::string verifier_;
};

TEST_F(MatrixFillTest, RowsAreThoseOfPlainSteps) {
  const std::string path = cluster_.folder() / "base";
  const testing::ProcessResult filled = Fill(verifier_, path);
  ASSERT_EQ(filled.exit_code, 0) << filled.err;
  EXPECT_EQ(filled.out, "");
  EXPECT_THAT(filled.err, HasSubstr("wrote 320 rows of 8 candidates of the model tiny"));
  const auto base = drafter::LoadBaseMatrix(path, 1 << 20);
  ASSERT_THAT(base, IsOk());
  EXPECT_EQ((*base)->matrix.rows_filled(), 320u);
  for (TokenId token = 0; token < 320; token += 7) {
    std::vector<TokenId> row(8);
    ASSERT_EQ((*base)->matrix.ReadRow(token, row), 8u);
    EXPECT_EQ(row, CandidatesAfter({kFirstToken, token})) << token;
  }
}

TEST_F(MatrixFillTest, ANewTenantDraftsFromItAndGetsTheSameTokens) {
  const std::string path = cluster_.folder() / "base";
  ASSERT_EQ(Fill(verifier_, path).exit_code, 0);
  // No other source has anything at the first step, and each request has a new matrix.
  const auto gateway = [&](Words flags) {
    flags.push_back("--draft_sources=matrix");
    return Connect(cluster_.StartGateway(verifier_, cluster_.Start("recycling-drafter", flags),
                                         {"--draft_deadline_ms=60000", "--speculation=full"}));
  };
  const auto with = gateway({"--base_matrix=" + path});
  const auto without = gateway({});
  std::uint64_t drafted_with = 0, drafted_without = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    pb::GenerateRequest request;
    request.set_prompt("hello the");
    request.mutable_sampling()->set_temperature(seed % 2 == 0 ? 0 : 1);
    request.mutable_sampling()->set_seed(seed);
    request.mutable_sampling()->set_max_tokens(3);
    request.mutable_sampling()->set_ignore_eos(true);
    request.mutable_speculation()->set_matrix_scope(common::v1::MATRIX_SCOPE_REQUEST);
    const Output drafted = Generate(with, request);
    const Output cold = Generate(without, request);
    request.mutable_speculation()->set_mode(pb::SPECULATION_MODE_OFF);
    const Output plain = Generate(with, request);
    ASSERT_TRUE(plain.status.ok()) << plain.ForPeople();
    EXPECT_TRUE(drafted.SameTokens(plain)) << drafted.ForPeople() << plain.ForPeople();
    EXPECT_TRUE(cold.SameTokens(plain)) << cold.ForPeople() << plain.ForPeople();
    drafted_with += drafted.final.speculation().draft_tokens();
    drafted_without += cold.final.speculation().draft_tokens();
  }
  EXPECT_GT(drafted_with, drafted_without + 20);
}

TEST_F(MatrixFillTest, ADrafterRefusesTheBaseMatrixOfAnotherModel) {
  const std::string path = cluster_.folder() / "base";
  ASSERT_EQ(Fill(verifier_, path).exit_code, 0);
  const std::string other_model = cluster_.folder() / "other.gguf";
  ASSERT_TRUE(doubles::WriteTinyModel({.seed = 2}, other_model));
  const std::string other = cluster_.Start("recycling-verifier", {"--model=" + other_model});
  const std::string drafter = cluster_.Start("recycling-drafter", {"--base_matrix=" + path});
  drafter::v1::HandshakeRequest request;
  request.set_protocol_version(1);
  verifier::v1::HandshakeResponse info;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(verifier::v1::VerifierService::NewStub(Connect(other))
                    ->Handshake(&context, {}, &info)
                    .ok());
  }
  *request.mutable_model() = info.model();
  request.set_k(info.k());
  drafter::v1::HandshakeResponse response;
  grpc::ClientContext context;
  const grpc::Status status = drafter::v1::DrafterService::NewStub(Connect(drafter))
                                  ->Handshake(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("base matrix " + path + ": model_id: got \"tiny"),
                    HasSubstr("expected \"" + info.model().model_id())));
}

TEST_F(MatrixFillTest, FailuresSayWhatIsWrongAndLeaveTheOldFile) {
  const std::string path = cluster_.folder() / "base";
  ASSERT_EQ(Fill(verifier_, path).exit_code, 0);
  const std::string before = testing::ReadFile(path);
  const auto expect = [&](const std::string& verifier, const std::string& out, int code,
                          const std::string& message) {
    const testing::ProcessResult result = Fill(verifier, out);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
  };
  expect(verifier_, "", 2, "--out: got none, expected a file");
  expect("nowhere", path, 2, "--verifier: got \"nowhere\"");
  expect(verifier_, cluster_.folder() / "absent/base", 1, "No such file or directory");
  expect("unix:" + (cluster_.folder() / "absent"), path, 1, "verifier unix:");
  // A drafter is no verifier.
  expect(cluster_.Start("recycling-drafter", {}), path, 1, "does not have this service");
  EXPECT_EQ(testing::ReadFile(path), before);
  for (const auto& entry : std::filesystem::directory_iterator(cluster_.folder().path())) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".tmp")));
  }
  const testing::ProcessResult words =
      testing::Subprocess("recycling", {"matrix", "fill", path}).Wait();
  EXPECT_EQ(words.exit_code, 2);
}

}  // namespace
}  // namespace recycling::integration
