// The client program: everything it knows it learns over gRPC.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "common/program/program.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"

namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"generate", "write text behind a prompt", recycling::cli::RunGenerate},
    {"bench", "compare plain and recycled decoding of a file of prompts", recycling::cli::RunBench},
    {"stats", "show a gateway's totals and peers", recycling::cli::RunStats},
    {"health", "ask whether servers serve", recycling::cli::RunHealth},
    {"matrix", "show, save and load a drafter's matrices", recycling::cli::RunMatrix},
    {"key", "make an API key", recycling::cli::RunKey},
};

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
               "\n'recycling COMMAND --help' tells a command's flags and shows examples.\n"
               "'recycling --version' prints versions.\n\nStart here:\n"
               "  recycling health\n"
               "  recycling generate --prompt 'Once upon a time' --max_tokens 100\n\n"
               "Exit codes: 0 done; 1 something failed, an output differed or a server does not "
               "serve;\n2 wrong flags or arguments; 130 interrupted.\n");
}

int Unknown(const char* name) {
  return recycling::cli::FailUsage("recycling", std::string("unknown command \"") + name + "\"");
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
  return command->run(2, arguments);
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC's own log lines would stand between the text; errors are told by this program.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  recycling::cli::WatchInterrupts();
  if (argc < 2) {
    PrintHelp(stderr);
    return recycling::kExitUsage;
  }
  const std::string first = argv[1];
  if (first == "help" || first == "--help" || first == "-h") return Help(argc, argv);
  if (first == "--version") {
    recycling::ParseProgramFlags(2, argv, {.name = "recycling", .summary = "", .examples = ""});
  }
  const Command* command = Find(argv[1]);
  return command == nullptr ? Unknown(argv[1]) : command->run(argc - 1, argv + 1);
}
