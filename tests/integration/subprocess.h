// Runs the project's programs as a user would.
#ifndef RECYCLING_TESTS_INTEGRATION_SUBPROCESS_H_
#define RECYCLING_TESTS_INTEGRATION_SUBPROCESS_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/doubles/process.h"

namespace recycling::testing {

inline std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// The path of a program of the build.
inline std::string BinaryPath(const std::string& program) {
  const char* folder = std::getenv("RECYCLING_BIN_DIR");
  return std::string(folder == nullptr ? "." : folder) + "/" + program;
}

struct ProcessResult {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

// Runs a program of the build with files as stdin, stdout and stderr.
class Subprocess {
 public:
  Subprocess(const std::string& program, std::vector<std::string> arguments,
             const std::string& input = "", const std::vector<std::string>& environment = {}) {
    std::ofstream(folder_ / "in", std::ios::binary) << input;
    arguments.insert(arguments.begin(), BinaryPath(program));
    std::vector<std::string> variables = environment;
    for (char** variable = environ; *variable != nullptr; ++variable)
      variables.push_back(*variable);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, (folder_ / "in").c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, (folder_ / "out").c_str(), O_WRONLY | O_CREAT,
                                     0600);
    posix_spawn_file_actions_addopen(&files, 2, (folder_ / "err").c_str(), O_WRONLY | O_CREAT,
                                     0600);
    const int failed = posix_spawn(&pid_, arguments[0].c_str(), &files, nullptr,
                                   Pointers(arguments).data(), Pointers(variables).data());
    posix_spawn_file_actions_destroy(&files);
    EXPECT_EQ(failed, 0) << "cannot start " << arguments[0];
  }

  ~Subprocess() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }

  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  void Signal(int signal) { kill(pid_, signal); }

  ProcessResult Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .out = ReadFile(folder_ / "out"),
            .err = ReadFile(folder_ / "err")};
  }

 private:
  static std::vector<char*> Pointers(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  doubles::TempDir folder_;
  pid_t pid_ = -1;
};

}  // namespace recycling::testing

#endif  // RECYCLING_TESTS_INTEGRATION_SUBPROCESS_H_
