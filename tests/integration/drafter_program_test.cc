// Runs recycling-drafter as an operator does: starts it with flags, stops it and starts it again.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "common/program/program.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/process.h"
#include "tests/integration/draft_streams.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using doubles::IsOkAndHolds;
using doubles::Process;
using ::testing::ElementsAre;

constexpr absl::Duration kLong = absl::Seconds(60);

class DrafterProgramTest : public ::testing::Test {
 protected:
  std::unique_ptr<Process> Start(std::vector<std::string> flags) {
    const char* const folder = std::getenv("RECYCLING_BIN_DIR");
    EXPECT_NE(folder, nullptr) << "run through ctest";
    if (folder == nullptr) return nullptr;
    flags.insert(flags.begin(), std::string(folder) + "/recycling-drafter");
    auto process = Process::Start(flags, folder_ / "log");
    EXPECT_THAT(process, IsOk());
    return process.ok() ? *std::move(process) : nullptr;
  }

  int ExitCode(const std::vector<std::string>& flags) {
    const std::unique_ptr<Process> process = Start(flags);
    return process == nullptr ? -1 : process->Wait(kLong).value_or(-1);
  }

  // Starts the drafter with its snapshots in the test's folder, and connects stub_ to it.
  std::unique_ptr<Process> Serve() {
    std::filesystem::remove(folder_ / "port");
    auto process = Start({"--listen=127.0.0.1:0", "--port_file=" + (folder_ / "port"),
                          "--snapshot_dir=" + folder_.path()});
    if (process == nullptr) return nullptr;
    const auto lines = process->WaitForLines(folder_ / "port", kLong);
    EXPECT_THAT(lines, IsOk());
    if (!lines.ok()) return nullptr;
    stub_ = v1::DrafterService::NewStub(
        grpc::CreateChannel(lines->at(0), grpc::InsecureChannelCredentials()));
    return process;
  }

  static v1::OpenSession Session() {
    v1::OpenSession session;
    session.mutable_model()->set_model_id("m");
    session.mutable_model()->set_vocab_size(10);
    session.mutable_model()->set_tokenizer_digest(std::string(32, 'd'));
    session.set_k(2);
    session.set_tenant("a");
    return session;
  }

  void Teach() {
    v1::ObserveRequest request;
    *request.mutable_session() = Session();
    request.mutable_observation()->add_tokens(1);
    request.mutable_observation()->mutable_candidates()->set_k(2);
    request.mutable_observation()->mutable_candidates()->add_ids(4);
    request.mutable_observation()->mutable_candidates()->add_ids(5);
    v1::ObserveResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->Observe(&context, request, &response).ok());
  }

  std::vector<std::uint32_t> Ask() {
    v1::ProposeRequest request;
    *request.mutable_session() = Session();
    request.mutable_proposal()->set_base(1);
    request.mutable_proposal()->set_root(1);
    request.mutable_proposal()->set_max_nodes(8);
    request.mutable_proposal()->set_max_depth(8);
    v1::ProposeResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->Propose(&context, request, &response).ok());
    return {response.tree().tokens().begin(), response.tree().tokens().end()};
  }

  doubles::TempDir folder_;
  std::unique_ptr<v1::DrafterService::Stub> stub_;
};

TEST_F(DrafterProgramTest, TheMatrixSurvivesARestart) {
  std::unique_ptr<Process> drafter = Serve();
  ASSERT_NE(drafter, nullptr);
  Teach();
  stub_.reset();  // an idle connection would hold up the drain
  drafter->Signal(SIGTERM);
  EXPECT_THAT(drafter->Wait(kLong), IsOkAndHolds(kExitOk));
  drafter = Serve();
  ASSERT_NE(drafter, nullptr);
  EXPECT_THAT(Ask(), ElementsAre(4, 5));
}

TEST_F(DrafterProgramTest, AnswersAHundredStreamsAtOnce) {
  const std::unique_ptr<Process> drafter = Serve();
  ASSERT_NE(drafter, nullptr);
  EXPECT_EQ(integration::StreamsAnsweredAtOnce(*stub_, Session(), 100), 100);
}

TEST_F(DrafterProgramTest, RenamesACorruptSnapshotAndStarts) {
  std::ofstream(folder_ / "drafter.tenant.YQ.rcm") << "not a snapshot";
  const std::unique_ptr<Process> drafter = Serve();
  ASSERT_NE(drafter, nullptr);
  EXPECT_THAT(Ask(), ElementsAre());
  EXPECT_TRUE(std::filesystem::exists(folder_ / "drafter.tenant.YQ.rcm.aside"));
}

TEST_F(DrafterProgramTest, ADrafterThatCannotSaveExitsWithAFailure) {
  const std::unique_ptr<Process> drafter = Serve();
  ASSERT_NE(drafter, nullptr);
  Teach();
  std::filesystem::create_directory(folder_ / "drafter.tenant.YQ.rcm.tmp");
  stub_.reset();  // an idle connection would hold up the drain
  drafter->Signal(SIGTERM);
  EXPECT_THAT(drafter->Wait(kLong), IsOkAndHolds(kExitFailure));
}

TEST_F(DrafterProgramTest, UsageErrorsAndFailuresHaveDifferentExitCodes) {
  EXPECT_EQ(ExitCode({"--help"}), kExitOk);
  EXPECT_EQ(ExitCode({"--drafter_id=a/b"}), kExitUsage);
  EXPECT_EQ(ExitCode({"--listen=nowhere"}), kExitUsage);
  EXPECT_EQ(ExitCode({"word"}), kExitUsage);
  EXPECT_EQ(ExitCode({"--tree_template=" + (folder_ / "absent")}), kExitFailure);
  EXPECT_EQ(ExitCode({"--snapshot_dir=" + (folder_ / "absent")}), kExitFailure);
  EXPECT_EQ(ExitCode({"--base_matrix=" + (folder_ / "absent")}), kExitFailure);
  EXPECT_EQ(ExitCode({"--draft_sources="}), kExitUsage);
  EXPECT_EQ(ExitCode({"--draft_sources=pairs,,matrix"}), kExitUsage);
}

}  // namespace
}  // namespace recycling::drafter
