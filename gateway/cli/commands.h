// The commands of the program `recycling`.
#ifndef RECYCLING_GATEWAY_CLI_COMMANDS_H_
#define RECYCLING_GATEWAY_CLI_COMMANDS_H_

#include <string>
#include <vector>

#include "common/program/program.h"

namespace recycling::cli {

// The help text of a command, and the flags that the command takes.
ProgramInfo GenerateInfo();
ProgramInfo TreeInfo();
ProgramInfo BenchInfo();
ProgramInfo StatsInfo();
ProgramInfo HealthInfo();
ProgramInfo MatrixInfo();
ProgramInfo KeyInfo();
ProgramInfo TemplateInfo();
ProgramInfo ChatInfo();

// Runs a command whose flags are already parsed. `words` are the arguments that are not flags.
// Returns the exit code of the process.
int RunGenerate(const std::vector<std::string>& words);
int RunTree(const std::vector<std::string>& words);
int RunBench(const std::vector<std::string>& words);
int RunStats(const std::vector<std::string>& words);
int RunHealth(const std::vector<std::string>& words);
int RunMatrix(const std::vector<std::string>& words);
int RunKey(const std::vector<std::string>& words);
int RunTemplate(const std::vector<std::string>& words);
int RunChat(const std::vector<std::string>& words);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_COMMANDS_H_
