#include "common/program/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "common/program/help.h"

ABSL_FLAG(std::string, model_path, "default.gguf", "Which model.");
ABSL_FLAG(int, node_budget, 80, "How many nodes.");
ABSL_FLAG(bool, warm_up, true, "Whether to warm up.");

namespace recycling {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::Not;

const ProgramInfo kInfo = {
    .name = "probe",
    .summary = "Probes.",
    .examples = "probe --node_budget 3\n",
    .flags = {GroupOf("Model", FLAGS_model_path), RareGroupOf("Nodes", FLAGS_node_budget),
              GroupOf("Start", FLAGS_warm_up)}};

std::vector<std::string> Parse(std::vector<std::string> arguments,
                               const ProgramInfo& info = kInfo) {
  std::vector<char*> argv = {const_cast<char*>("probe")};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return ParseProgramFlags(static_cast<int>(argv.size()), argv.data(), info);
}

// Sends stdout to stderr, because EXPECT_EXIT reads only stderr.
void ParseWithStdoutOnStderr(std::vector<std::string> arguments, const ProgramInfo& info = kInfo) {
  dup2(STDERR_FILENO, STDOUT_FILENO);
  Parse(std::move(arguments), info);
}

class ProgramTest : public testing::Test {
 protected:
  void SetEnv(const char* name, const char* value) {
    setenv(name, value, 1);
    variables_.push_back(name);
  }
  ~ProgramTest() override {
    for (const char* name : variables_) unsetenv(name);
  }

 private:
  absl::FlagSaver saver_;
  std::vector<const char*> variables_;
};

TEST_F(ProgramTest, AcceptsEverySpellingOfAFlag) {
  EXPECT_THAT(Parse({"a", "--node_budget=3", "--model-path", "--x", "b", "--nowarm_up", "-", "--",
                     "--node_budget=4"}),
              ElementsAre("a", "b", "-", "--node_budget=4"));
  EXPECT_EQ(absl::GetFlag(FLAGS_node_budget), 3);
  EXPECT_EQ(absl::GetFlag(FLAGS_model_path), "--x");
  EXPECT_FALSE(absl::GetFlag(FLAGS_warm_up));
  Parse({"--warm-up", "--model_path="});
  EXPECT_TRUE(absl::GetFlag(FLAGS_warm_up));
  EXPECT_EQ(absl::GetFlag(FLAGS_model_path), "");
  Parse({"--warm_up=false", "--node_budget=5", "--node_budget=6"});
  EXPECT_FALSE(absl::GetFlag(FLAGS_warm_up));
  EXPECT_EQ(absl::GetFlag(FLAGS_node_budget), 6);
}

TEST_F(ProgramTest, AFlagOverridesTheEnvironmentWhichOverridesTheDefault) {
  SetEnv("RECYCLING_NODE_BUDGET", "7");
  SetEnv("RECYCLING_WARM_UP", "false");
  SetEnv("RECYCLING_MODEL_PATH", "");
  Parse({"--warm_up"});
  EXPECT_EQ(absl::GetFlag(FLAGS_node_budget), 7);
  EXPECT_TRUE(absl::GetFlag(FLAGS_warm_up));
  EXPECT_EQ(absl::GetFlag(FLAGS_model_path), "default.gguf");
}

TEST_F(ProgramTest, NamesTheWrongFlagOrValueAndExitsWithUsage) {
  EXPECT_EXIT(Parse({"--node_budgets=3"}), ExitedWithCode(kExitUsage),
              "unknown flag --node_budgets \\(did you mean --node_budget\\?\\)");
  EXPECT_EXIT(Parse({"--wholly_different"}), ExitedWithCode(kExitUsage),
              "unknown flag --wholly_different\n");
  EXPECT_EXIT(Parse({"--node_budget=many"}), ExitedWithCode(kExitUsage),
              "--node_budget: cannot take \"many\"");
  EXPECT_EXIT(Parse({"--warm_up=perhaps"}), ExitedWithCode(kExitUsage),
              "--warm_up: cannot take \"perhaps\"");
  EXPECT_EXIT(Parse({"--node_budget"}), ExitedWithCode(kExitUsage), "--node_budget: got no value");
  EXPECT_EXIT(Parse({"--nonode_budget"}), ExitedWithCode(kExitUsage),
              "unknown flag --nonode_budget");
  EXPECT_EXIT(Parse({"-n"}), ExitedWithCode(kExitUsage), "unknown flag -n");
  SetEnv("RECYCLING_NODE_BUDGET", "few");
  EXPECT_EXIT(Parse({}), ExitedWithCode(kExitUsage),
              "environment RECYCLING_NODE_BUDGET: cannot take \"few\"");
}

TEST_F(ProgramTest, HelpDescribesCommonFlagsAndNamesRareOnes) {
  const auto text =
      AllOf(HasSubstr("probe: Probes."), HasSubstr("  probe --node_budget 3\n"),
            HasSubstr("\nModel:\n  --model_path TEXT  (default: default.gguf)\n      Which model.\n"
                      "\nStart:\n  --warm_up  (default: true)\n      Whether to warm up.\n"
                      "\nMore flags, which --help=all describes:\n  Nodes: --node_budget\n"),
            Not(HasSubstr("How many nodes.")));
  EXPECT_EXIT(ParseWithStdoutOnStderr({"--help"}), ExitedWithCode(0), text);
  EXPECT_EXIT(ParseWithStdoutOnStderr({"-h"}), ExitedWithCode(0), text);
}

TEST_F(ProgramTest, HelpAllDescribesEveryFlag) {
  EXPECT_EXIT(
      ParseWithStdoutOnStderr({"--help=all"}), ExitedWithCode(0),
      AllOf(HasSubstr("\nNodes:\n  --node_budget NUMBER  (default: 80)\n      How many nodes.\n"),
            HasSubstr("Whether to warm up."), Not(HasSubstr("More flags"))));
  EXPECT_EXIT(Parse({"--help=some"}), ExitedWithCode(kExitUsage),
              "--help: got \"some\", expected nothing, all or man");
}

TEST_F(ProgramTest, HelpManIsAManualPage) {
  EXPECT_EXIT(
      ParseWithStdoutOnStderr({"--help=man"}), ExitedWithCode(0),
      AllOf(HasSubstr(".TH PROBE 1"), HasSubstr(".SH NAME\nprobe \\- Probes.\n"),
            HasSubstr(".SS Nodes\n.TP\n\\-\\-node_budget NUMBER  (default: 80)\nHow many nodes.\n"),
            HasSubstr(".nf\nprobe \\-\\-node_budget 3\n.fi\n")));
}

TEST_F(ProgramTest, AProgramMayChangeTheDefaultOfAFlag) {
  ProgramInfo info = kInfo;
  info.defaults = {{"node_budget", "5"}};
  SetEnv("RECYCLING_MODEL_PATH", "x");
  Parse({}, info);
  EXPECT_EQ(absl::GetFlag(FLAGS_node_budget), 5);
  EXPECT_EXIT(ParseWithStdoutOnStderr({"--help=all"}, info), ExitedWithCode(0),
              HasSubstr("--node_budget NUMBER  (default: 5)"));
  SetEnv("RECYCLING_NODE_BUDGET", "6");
  Parse({}, info);
  EXPECT_EQ(absl::GetFlag(FLAGS_node_budget), 6);
}

TEST(HelpOfCommandsTest, DescribesASharedGroupOnce) {
  ProgramInfo other = kInfo;
  other.name = "probe other";
  const std::string help = HelpOfCommands(kInfo, {kInfo, other});
  EXPECT_EQ(help.find("How many nodes."), help.rfind("How many nodes."));
  EXPECT_THAT(help, HasSubstr("probe other: Probes."));
  EXPECT_THAT(help, HasSubstr("\nNodes, described above: --node_budget\n"));
}

TEST_F(ProgramTest, VersionNamesProgramCommitAndLibraries) {
  EXPECT_EXIT(
      ParseWithStdoutOnStderr({"--version"}), ExitedWithCode(0),
      AllOf(HasSubstr("probe " + BuildVersion()), HasSubstr("\ngRPC "), HasSubstr(", protobuf ")));
}

TEST_F(ProgramTest, FlagsOutsideAProgramsGroupsAreUnknown) {
  ProgramInfo other = kInfo;
  other.flags = {GroupOf("Model", FLAGS_model_path)};
  EXPECT_EXIT(Parse({"--node_budget=3"}, other), ExitedWithCode(kExitUsage), "unknown flag");
  SetEnv("RECYCLING_NODE_BUDGET", "9");
  Parse({}, other);
  EXPECT_EQ(absl::GetFlag(FLAGS_node_budget), 80);
  other.flags = {};  // every flag
  Parse({"--node_budget=3"}, other);
  EXPECT_EQ(absl::GetFlag(FLAGS_node_budget), 3);
}

}  // namespace
}  // namespace recycling
