// What every program's main does first: flags, each also settable by environment, --help that
// teaches, --version.
#ifndef RECYCLING_COMMON_PROGRAM_H_
#define RECYCLING_COMMON_PROGRAM_H_

#include <string>
#include <vector>

namespace recycling {

struct ProgramInfo {
  std::string name;      // "recycling-verifier"
  std::string summary;   // one sentence
  std::string examples;  // a few lines that can be pasted
};

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,  // something failed while running; an RPC ended with an error
  kExitUsage = 2,    // flags, arguments or configuration are wrong
  kExitInterrupted = 130,
};

// Sets flags from the environment (RECYCLING_ and the flag's name in capitals), then from the
// command line, which wins.
// --help prints the summary, examples and every flag of the program's own files with default and
// environment name to stdout and exits 0; --version prints name, version, commit and the versions
// of gRPC and protobuf and exits 0; an unknown flag or a value that does not parse is named on
// stderr and exits with kExitUsage. Returns the positional arguments. Not thread-safe; call once.
std::vector<std::string> ParseProgramFlags(int argc, char** argv, const ProgramInfo& info);

// Version and commit, for example "0.1.0 (829ed32)".
std::string BuildVersion();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_H_
