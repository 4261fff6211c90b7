// The commands of the program `recycling`. Each parses its own flags, talks gRPC and returns the
// exit code of the process.
#ifndef RECYCLING_GATEWAY_CLI_COMMANDS_H_
#define RECYCLING_GATEWAY_CLI_COMMANDS_H_

namespace recycling::cli {

// argv[0] stands for the command; what follows are its flags and arguments.
int RunGenerate(int argc, char** argv);
int RunBench(int argc, char** argv);
int RunStats(int argc, char** argv);
int RunHealth(int argc, char** argv);
int RunMatrix(int argc, char** argv);
int RunKey(int argc, char** argv);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_COMMANDS_H_
