#include "tests/doubles/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>

#include "common/program/program.h"
#include "tests/doubles/matchers.h"

namespace recycling::doubles {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kLong = absl::Minutes(1);

std::string Program(const std::string& name) {
  const char* folder = getenv("RECYCLING_BIN_DIR");
  return std::string(folder == nullptr ? "." : folder) + "/" + name;
}

class ProcessTest : public testing::Test {
 protected:
  std::unique_ptr<Process> Start(const std::string& name, const std::vector<std::string>& flags) {
    std::vector<std::string> argv = {Program(name)};
    argv.insert(argv.end(), flags.begin(), flags.end());
    auto process = Process::Start(argv, folder_ / "log");
    EXPECT_THAT(process, IsOk());
    return *std::move(process);
  }

  TempDir folder_;
};

TEST_F(ProcessTest, BothFakesListenAndStopOnSigterm) {
  for (const std::string name : {"recycling-fake-verifier", "recycling-fake-drafter"}) {
    const std::string port_file = folder_ / (name + ".port");
    const auto process = Start(name, {"--port_file=" + port_file});
    EXPECT_THAT(process->WaitForLines(port_file, kLong),
                IsOkAndHolds(ElementsAre(StartsWith("127.0.0.1:"))));
    process->Signal(SIGTERM);
    EXPECT_THAT(process->Wait(kLong), IsOkAndHolds(kExitOk));
  }
}

TEST_F(ProcessTest, WrongFlagsOfTheFakesAreUsageErrors) {
  for (const auto& [name, flag] : std::vector<std::pair<std::string, std::string>>{
           {"recycling-fake-verifier", "--mode=sleepy"},
           {"recycling-fake-verifier", "--vocab_size=3"},
           {"recycling-fake-verifier", "--k=65"},
           {"recycling-fake-verifier", "--listen=nowhere"},
           {"recycling-fake-drafter", "--mode=sleepy"},
           {"recycling-fake-drafter", "--acceptance_rate=nan"},
           {"recycling-fake-drafter", "--no_such_flag"}}) {
    EXPECT_THAT(Start(name, {flag})->Wait(kLong), IsOkAndHolds(kExitUsage)) << name << flag;
  }
}

TEST_F(ProcessTest, ReportsAProgramThatEndsBeforeItListens) {
  const auto process = Start("recycling-fake-drafter", {"--mode=sleepy"});
  EXPECT_THAT(process->WaitForLines(folder_ / "port", kLong),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("ended with 2")));
}

TEST_F(ProcessTest, ReportsAKilledProgramAndAMissingProgram) {
  const auto process = Start("recycling-fake-verifier", {});
  EXPECT_THAT(process->Wait(absl::ZeroDuration()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  process->Signal(SIGKILL);
  EXPECT_THAT(process->Wait(kLong), IsOkAndHolds(128 + SIGKILL));
  EXPECT_THAT(Process::Start({Program("no-such-program")}, folder_ / "log"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no-such-program")));
}

TEST_F(ProcessTest, TheDestructorEndsTheProcess) {
  pid_t pid = 0;
  {
    const auto process = Start("recycling-fake-verifier", {});
    pid = process->pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(TempDirTest, IsRemovedWithEverythingInIt) {
  std::string path;
  {
    TempDir folder;
    path = folder.path();
    std::filesystem::create_directories(folder / "a/b");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace recycling::doubles
