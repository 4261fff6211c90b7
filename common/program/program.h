// What every program's main does first: flags, each also settable by environment, --help that
// teaches, --version.
#ifndef RECYCLING_COMMON_PROGRAM_PROGRAM_H_
#define RECYCLING_COMMON_PROGRAM_PROGRAM_H_

#include <string>
#include <vector>

#include "common/base/build_version.h"

namespace recycling {

struct ProgramInfo {
  std::string name;      // "recycling-verifier"; with a command: "recycling generate"
  std::string summary;   // one sentence
  std::string examples;  // a few lines that can be pasted
  // Takes only flags defined in source files whose path ends in one of these, for programs with
  // commands. Empty: takes every flag of the program.
  std::vector<std::string> flag_files = {};
};

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,  // something failed while running; an RPC ended with an error
  kExitUsage = 2,    // flags, arguments or configuration are wrong
  kExitInterrupted = 130,
};

// Sets flags (defined by ABSL_FLAG) from the environment (RECYCLING_ and the flag's name in
// capitals; an empty variable counts as not set), then from the command line, which wins. Taken are
//   --name=value   --name value   --name (a bool's true)   --noname (its false)   --
// with '-' for '_' as one likes; the last of several wins; everything after "--" is positional.
// --help (-h) prints summary, examples and every flag with description, default and environment
// name to stdout and exits 0; --version prints name, version, commit and the versions of gRPC and
// protobuf and exits 0; an unknown flag or a value that does not parse is named on stderr and exits
// with kExitUsage. Returns the positional arguments. Not thread-safe; call once.
std::vector<std::string> ParseProgramFlags(int argc, char** argv, const ProgramInfo& info);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_PROGRAM_H_
