// Runs recycling-standalone, which has all services in one process, with a small model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/doubles/process.h"
#include "tests/doubles/tiny_model.h"
#include "tests/integration/draft_streams.h"
#include "tests/integration/subprocess.h"

namespace recycling {
namespace {

using ::recycling::testing::BinaryPath;
using ::recycling::testing::ProcessResult;
using ::recycling::testing::ReadFile;
using ::recycling::testing::Subprocess;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

constexpr absl::Duration kLong = absl::Minutes(1);

class StandaloneTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(doubles::WriteTinyModel({}, folder_ / "model.gguf"));
    std::filesystem::create_directory(folder_ / "snapshots");
    Start();
  }

  void Start() {
    std::filesystem::remove(folder_ / "ports");
    auto process = doubles::Process::Start(
        {BinaryPath("recycling-standalone"), "--model", folder_ / "model.gguf", "--listen",
         "127.0.0.1:0", "--peer_listen", drafter_, "--port_file", folder_ / "ports",
         "--snapshot_dir", folder_ / "snapshots", "--threads=1"},
        folder_ / "log");
    ASSERT_TRUE(process.ok()) << process.status();
    process_ = *std::move(process);
    const auto addresses = process_->WaitForLines(folder_ / "ports", kLong);
    ASSERT_TRUE(addresses.ok()) << addresses.status() << ReadFile(folder_ / "log");
    gateway_ = addresses->at(0);
  }

  void Stop() {
    process_->Signal(SIGTERM);
    const auto code = process_->Wait(kLong);
    EXPECT_TRUE(code.ok() && *code == 0) << code.status() << ReadFile(folder_ / "log");
  }

  ProcessResult Run(std::vector<std::string> arguments) {
    const std::string flag = arguments[0] == "matrix" ? "--drafter" : "--gateway";
    arguments.insert(arguments.end(), {flag, arguments[0] == "matrix" ? drafter_ : gateway_});
    return Subprocess("recycling", arguments).Wait();
  }

  doubles::TempDir folder_;
  const std::string drafter_ = "unix:" + (folder_ / "peers");
  std::string gateway_;
  std::unique_ptr<doubles::Process> process_;
};

TEST_F(StandaloneTest, DraftsDoNotChangeTheTextAndTheMatrixSurvivesARestart) {
  std::ofstream(folder_ / "prompts") << "{\"prompt\": \"hello the\"}\n{\"prompt\": \"a\"}\n";
  for (const char* temperature : {"0", "1"}) {
    const ProcessResult bench =
        Run({"bench", "--prompts", folder_ / "prompts", "--max_tokens=40", "--repeat=2", "--json",
             "--request", R"({"sampling": {"ignoreEos": true}})", "--speculation=fixed",
             "--temperature", temperature});
    ASSERT_EQ(bench.exit_code, 0) << bench.out << bench.err << ReadFile(folder_ / "log");
    const Json summary =
        Json::parse(bench.out.substr(bench.out.rfind("{\"event\"")), nullptr, false);
    EXPECT_EQ(summary["equal"], true);
    EXPECT_EQ(summary["recycled"]["tokens"], 160);
    EXPECT_EQ(summary["plain"]["speculation"]["steps"], 160);
    EXPECT_LT(summary["recycled"]["speculation"]["steps"], 160);
    EXPECT_GT(summary["recycled"]["speculation"]["accepted_tokens"], 0);
  }
  const ProcessResult stats = Run({"stats"});
  EXPECT_THAT(stats.out, HasSubstr("in-process drafter: ready"));
  EXPECT_THAT(stats.out, HasSubstr("16 succeeded, 0 failed"));

  ASSERT_EQ(Run({"matrix", "save", folder_ / "matrix"}).exit_code, 0);
  const ProcessResult info = Run({"matrix", "info", "--json"});
  const Json before = Json::parse(info.out, nullptr, false);
  EXPECT_GT(before["matrices"][0]["rows_filled"], 0) << info.out << info.err;
  EXPECT_EQ(Run({"matrix", "load", folder_ / "matrix", "--tenant", "other"}).exit_code, 0);

  Stop();
  Start();
  const Json after = Json::parse(Run({"matrix", "info", "--json"}).out, nullptr, false);
  EXPECT_EQ(after["matrices"].size(), 2U);
  EXPECT_EQ(after["matrices"][0]["rows_filled"], before["matrices"][0]["rows_filled"]);
  Stop();
}

TEST_F(StandaloneTest, TheClientShowsDraftsAndDrawsTrees) {
  const std::vector<std::string> request = {"--max_tokens=30", "--request",
                                            R"({"sampling": {"ignoreEos": true}})"};
  std::vector<std::string> generate = {"generate", "--prompt", "hello the hello the",
                                       "--show_drafts", "--speculation=full"};
  generate.insert(generate.end(), request.begin(), request.end());
  const ProcessResult shown = Run(generate);
  ASSERT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("guessed by {s...} sequence, {p...} pair"));
  EXPECT_THAT(shown.err, HasSubstr("source       "));

  std::vector<std::string> tree = {"tree", "hello the hello the"};
  tree.insert(tree.end(), request.begin(), request.end());
  const ProcessResult drawn = Run(tree);
  ASSERT_EQ(drawn.exit_code, 0) << drawn.err;
  EXPECT_THAT(drawn.out, HasSubstr("added by the model"));
  EXPECT_THAT(drawn.out, HasSubstr("|- "));
  EXPECT_THAT(drawn.out, HasSubstr("nodes\n"));

  EXPECT_EQ(Run({"tree"}).exit_code, 2);
  EXPECT_EQ(Run({"tree", "a", "b"}).exit_code, 2);
  const ProcessResult both = Run({"generate", "--prompt=a", "--show_drafts", "--json"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("--show_drafts with --json"));
}

TEST_F(StandaloneTest, UsesTheVerifiersOfOtherProcesses) {
  auto verifier = doubles::Process::Start(
      {BinaryPath("recycling-verifier"), "--model", folder_ / "model.gguf", "--listen",
       "unix:" + (folder_ / "verifier"), "--port_file", folder_ / "verifier_port", "--threads=1"},
      folder_ / "verifier_log");
  ASSERT_TRUE(verifier.ok()) << verifier.status();
  const auto verifier_address = (*verifier)->WaitForLines(folder_ / "verifier_port", kLong);
  ASSERT_TRUE(verifier_address.ok()) << ReadFile(folder_ / "verifier_log");
  auto process = doubles::Process::Start(
      {BinaryPath("recycling-standalone"), "--verifiers", verifier_address->at(0), "--listen",
       "127.0.0.1:0", "--port_file", folder_ / "remote_port", "--speculation=fixed"},
      folder_ / "remote_log");
  ASSERT_TRUE(process.ok()) << process.status();
  const auto address = (*process)->WaitForLines(folder_ / "remote_port", kLong);
  ASSERT_TRUE(address.ok()) << ReadFile(folder_ / "remote_log");

  std::vector<std::string> generate = {"generate",  "--prompt",
                                       "hello the", "--max_tokens=30",
                                       "--request", R"({"sampling": {"ignoreEos": true}})"};
  const ProcessResult local = Run(generate);
  generate.insert(generate.end(), {"--gateway", address->at(0)});
  const ProcessResult remote = Subprocess("recycling", generate).Wait();
  ASSERT_EQ(remote.exit_code, 0) << remote.err << ReadFile(folder_ / "remote_log");
  EXPECT_EQ(remote.out, local.out);
  const ProcessResult stats =
      Subprocess("recycling", {"stats", "--gateway", address->at(0)}).Wait();
  EXPECT_THAT(stats.out, HasSubstr(verifier_address->at(0) + ": ready"));
  EXPECT_THAT(stats.out, HasSubstr("in-process drafter: ready"));
}

TEST_F(StandaloneTest, UsesTheBaseMatrixBesideTheModel) {
  const std::string base = folder_ / "model.gguf.base_matrix";
  EXPECT_THAT(ReadFile(folder_ / "log"), Not(HasSubstr("base matrix")));
  const ProcessResult filled =
      Subprocess("recycling", {"matrix", "fill", "--verifier", drafter_, "--out", base}).Wait();
  ASSERT_EQ(filled.exit_code, 0) << filled.err;
  EXPECT_THAT(filled.err, HasSubstr("wrote 320 rows of 8 candidates"));
  const std::vector<std::string> generate = {"generate",
                                             "--prompt",
                                             "hello the",
                                             "--max_tokens=20",
                                             "--speculation=full",
                                             "--request",
                                             R"({"sampling": {"ignoreEos": true}})"};
  const ProcessResult without = Run(generate);
  Stop();

  Start();
  EXPECT_THAT(ReadFile(folder_ / "log"), HasSubstr("base matrix loaded"));
  EXPECT_THAT(ReadFile(folder_ / "log"), HasSubstr("model.gguf.base_matrix"));
  const ProcessResult with = Run(generate);
  EXPECT_EQ(with.exit_code, 0) << with.err;
  EXPECT_EQ(with.out, without.out);
  Stop();
  EXPECT_THAT(ReadFile(folder_ / "log"), Not(HasSubstr("not used")));

  // A wrong one beside the model is a warning; one that a flag names is an error.
  ASSERT_TRUE(doubles::WriteTinyModel({.seed = 2}, folder_ / "model.gguf"));
  std::filesystem::remove_all(folder_ / "snapshots");
  std::filesystem::create_directory(folder_ / "snapshots");
  Start();
  EXPECT_EQ(Run(generate).exit_code, 0);
  EXPECT_THAT(ReadFile(folder_ / "log"),
              HasSubstr("the base matrix belongs to another model and is not used"));
  Stop();
  std::ofstream(base) << "damaged";
  Start();
  EXPECT_EQ(Run(generate).exit_code, 0);
  EXPECT_THAT(ReadFile(folder_ / "log"), HasSubstr("the base matrix is not used"));
  Stop();
  const ProcessResult refused =
      Subprocess("recycling-standalone", {"--model", folder_ / "model.gguf", "--base_matrix", base})
          .Wait();
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("snapshot: got only 7 bytes"));
}

TEST_F(StandaloneTest, TheDrafterAnswersAHundredStreamsAtOnce) {
  ASSERT_EQ(Run({"generate", "--prompt", "hello", "--max_tokens=1"}).exit_code, 0);
  const auto stub = drafter::v1::DrafterService::NewStub(
      grpc::CreateChannel(drafter_, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  drafter::v1::GetMatrixInfoResponse info;
  ASSERT_TRUE(stub->GetMatrixInfo(&context, {}, &info).ok());
  drafter::v1::OpenSession session;
  *session.mutable_model() = info.model();
  session.set_k(info.k());
  session.set_tenant("a");
  EXPECT_EQ(integration::StreamsAnsweredAtOnce(*stub, session, 100), 100);
}

TEST_F(StandaloneTest, RefusesWrongFlags) {
  const std::vector<std::tuple<std::vector<std::string>, int, std::string>> cases = {
      {{}, 2, "--model: got none"},
      {{"--model", "m.gguf", "--verifiers", "unix:/v"},
       2,
       "--model: got \"m.gguf\", expected none"},
      {{"--verifiers", "10.0.0.1:50051"}, 2, "--peer_tls_ca"},
      {{"--model", folder_ / "absent"}, 1, "absent"},
      {{"--model", folder_ / "model.gguf", "--k=65"}, 2, "k: got 65"},
      {{"--model", folder_ / "model.gguf", "--listen", gateway_}, 1, "cannot bind " + gateway_},
      {{"--model", folder_ / "model.gguf", "--max_requests=0"}, 2, "max_requests"},
      {{"--model", folder_ / "model.gguf", "more"}, 2, "expected flags only"},
  };
  for (const auto& [arguments, code, message] : cases) {
    const ProcessResult result = Subprocess("recycling-standalone", arguments).Wait();
    EXPECT_EQ(result.exit_code, code) << message << ": " << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
  }
}

}  // namespace
}  // namespace recycling
