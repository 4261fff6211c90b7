// The texts of --help, made from a ProgramInfo and the flags' definitions.
#ifndef RECYCLING_COMMON_PROGRAM_HELP_H_
#define RECYCLING_COMMON_PROGRAM_HELP_H_

#include <string>
#include <vector>

#include "common/program/program.h"

namespace recycling {

enum class HelpDepth {
  kShort,  // describes the flags that most people need, and names the rare ones
  kAll,    // describes every flag
};

// Summary, examples and flags, in groups. Each flag has the kind of its value, its default and its
// description.
std::string HelpText(const ProgramInfo& program, HelpDepth depth);

// The same for a program with commands (at least one): every flag of each command. A group that
// several commands share is described once.
std::string HelpOfCommands(const ProgramInfo& program, const std::vector<ProgramInfo>& commands);

// The same as a manual page of section 1, in the man macros of roff.
std::string ManPage(const ProgramInfo& program, const std::vector<ProgramInfo>& commands = {});

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_HELP_H_
