// Every program's main calls this first: it sets flags from the command line and the environment,
// and serves --help and --version.
#ifndef RECYCLING_COMMON_PROGRAM_PROGRAM_H_
#define RECYCLING_COMMON_PROGRAM_PROGRAM_H_

#include <string>
#include <utility>
#include <vector>

#include "common/base/build_version.h"
#include "common/program/flag_group.h"

namespace recycling {

struct ProgramInfo {
  std::string name;      // "recycling-verifier"; with a command: "recycling generate"
  std::string summary;   // one sentence
  std::string examples;  // a few lines that can be pasted
  // The flags that the program takes, in the order of --help. Empty: every flag linked into it.
  std::vector<FlagGroup> flags = {};
  // Defaults, by flag name, that differ in this program from the flag's definition.
  std::vector<std::pair<std::string, std::string>> defaults = {};
  bool takes_flags = true;  // false: only --help and --version; `flags` must be empty
};

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,  // something failed while running; an RPC ended with an error
  kExitUsage = 2,    // flags, arguments or configuration are wrong
  kExitInterrupted = 130,
};

// Sets flags to the defaults of `info`, then from the environment (RECYCLING_ and the flag's name
// in capitals; an empty variable counts as not set), then from the command line, which wins. It
// accepts
//   --name=value   --name value   --name   --noname   --
// --name alone sets a bool to true, and --noname sets it to false. A name may use '-' instead of
// '_'. If a flag is given several times, the last one counts. All arguments after "--" are
// positional. --help (-h), --help=all and --help=man print the texts of help.h to stdout and exit
// with 0. --version prints name, version, commit and the versions of gRPC and protobuf and exits
// with 0. An unknown flag, or a value that does not parse, is named on stderr and ends the process
// with kExitUsage. Returns the positional arguments. Not thread-safe. Call once.
std::vector<std::string> ParseProgramFlags(int argc, char** argv, const ProgramInfo& info);

// The environment variable that sets `flag`: "RECYCLING_" and its name in capitals.
std::string EnvironmentName(const std::string& flag);

// Prints `text` to stdout and ends the process: with kExitFailure if it cannot be written.
[[noreturn]] void PrintAndExit(const std::string& text);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_PROGRAM_H_
