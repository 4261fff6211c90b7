// The client program. It talks to servers only over gRPC.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "common/program/help.h"
#include "common/program/program.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"

namespace {

using recycling::ProgramInfo;

struct Command {
  const char* name;
  const char* summary;
  ProgramInfo (*info)();
  int (*run)(const std::vector<std::string>& words);
};

constexpr Command kCommands[] = {
    {"generate", "continue a prompt", recycling::cli::GenerateInfo, recycling::cli::RunGenerate},
    {"chat", "talk with the model", recycling::cli::ChatInfo, recycling::cli::RunChat},
    {"tree", "continue a prompt and draw the draft trees of the last steps",
     recycling::cli::TreeInfo, recycling::cli::RunTree},
    {"bench", "compare decoding with and without drafts on a file of prompts",
     recycling::cli::BenchInfo, recycling::cli::RunBench},
    {"stats", "show a gateway's totals and peers", recycling::cli::StatsInfo,
     recycling::cli::RunStats},
    {"health", "tell whether servers are alive and ready", recycling::cli::HealthInfo,
     recycling::cli::RunHealth},
    {"matrix", "show, save, load and fill a drafter's matrices", recycling::cli::MatrixInfo,
     recycling::cli::RunMatrix},
    {"key", "make an API key", recycling::cli::KeyInfo, recycling::cli::RunKey},
    {"template", "render a chat template", recycling::cli::TemplateInfo,
     recycling::cli::RunTemplate},
};

// The program as a whole, for the help of all its commands.
ProgramInfo Program() {
  return {.name = "recycling",
          .summary = "Talks to a gateway that writes text by speculative decoding.",
          .examples =
              "recycling health\n"
              "recycling generate --prompt 'Once upon a time' --max_tokens 100\n"};
}

std::vector<ProgramInfo> Commands() {
  std::vector<ProgramInfo> commands;
  for (const Command& command : kCommands) commands.push_back(command.info());
  return commands;
}

const Command* Find(const char* name) {
  for (const Command& command : kCommands) {
    if (std::strcmp(command.name, name) == 0) return &command;
  }
  return nullptr;
}

void PrintHelp(std::FILE* out) {
  std::fprintf(out,
               "recycling: talks to a gateway that writes text by speculative decoding.\n\n"
               "Usage: recycling COMMAND [FLAGS]\n\nCommands:\n");
  for (const Command& command : kCommands) {
    std::fprintf(out, "  %-9s %s\n", command.name, command.summary);
  }
  std::fprintf(out,
               "\n'recycling COMMAND --help' describes a command's flags and shows examples.\n"
               "'recycling --help=all' describes all flags, '--help=man' prints a manual page.\n"
               "'recycling --version' prints versions.\n\nStart here:\n"
               "  recycling health\n"
               "  recycling generate --prompt 'Once upon a time' --max_tokens 100\n\n"
               "Exit codes: 0 done; 1 something failed, an output differed or a server is not "
               "ready;\n2 wrong flags or arguments; 130 interrupted.\n");
}

int Unknown(const char* name) {
  return recycling::cli::FailUsage("recycling", std::string("unknown command \"") + name + "\"");
}

// Parses the flags of the command argv[0] and runs it. If the flags ask for help, prints the help
// and exits.
int Run(const Command& command, int argc, char** argv) {
  return command.run(recycling::ParseProgramFlags(argc, argv, command.info()));
}

int Help(int argc, char** argv) {
  if (argc < 3) {
    PrintHelp(stdout);
    return recycling::kExitOk;
  }
  const Command* command = Find(argv[2]);
  if (command == nullptr) return Unknown(argv[2]);
  char help[] = "--help";
  char* arguments[] = {argv[2], help};
  return Run(*command, 2, arguments);
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC's own log lines would be mixed with the text. This program reports errors itself.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  recycling::cli::WatchInterrupts();
  if (argc < 2) {
    PrintHelp(stderr);
    return recycling::kExitUsage;
  }
  const std::string first = argv[1];
  if (first == "help" || first == "--help" || first == "-h") return Help(argc, argv);
  if (first == "--help=all") {
    recycling::PrintAndExit(recycling::HelpOfCommands(Program(), Commands()));
  }
  if (first == "--help=man") recycling::PrintAndExit(recycling::ManPage(Program(), Commands()));
  if (first == "--version") recycling::ParseProgramFlags(2, argv, Program());
  const Command* command = Find(argv[1]);
  return command == nullptr ? Unknown(argv[1]) : Run(*command, argc - 1, argv + 1);
}
