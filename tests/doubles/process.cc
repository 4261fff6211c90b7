#include "tests/doubles/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

extern char** environ;

namespace recycling::doubles {
namespace {

// The time between two checks of a child's state in Wait and WaitForLines.
constexpr absl::Duration kPoll = absl::Milliseconds(2);

// setpriv asks the kernel to kill the program with its parent, then becomes the program.
constexpr const char* kSetpriv = "/usr/bin/setpriv";

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const std::vector<std::string>& argv,
                                                        const std::string& log) {
  if (argv.empty() || access(argv[0].c_str(), X_OK) != 0) {
    return absl::NotFoundError(
        absl::StrCat("program: got \"", argv.empty() ? "" : argv[0], "\", expected one to run"));
  }
  std::vector<std::string> words = {kSetpriv, "--pdeathsig", "KILL", "--"};
  if (access(kSetpriv, X_OK) != 0) words.clear();
  words.insert(words.end(), argv.begin(), argv.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return absl::ErrnoToStatus(error, absl::StrCat("program: cannot start ", argv[0]));
  }
  return std::unique_ptr<Process>(new Process(pid, argv[0]));
}

Process::~Process() {
  if (Ended()) return;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
}

void Process::Signal(int signal) {
  if (!Ended()) kill(pid_, signal);
}

bool Process::Ended() {
  if (exit_.has_value()) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

absl::StatusOr<int> Process::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!Ended()) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(name_, ": still runs after ", absl::FormatDuration(timeout)));
    }
    absl::SleepFor(kPoll);
  }
  return *exit_;
}

absl::StatusOr<std::vector<std::string>> Process::WaitForLines(const std::string& path,
                                                               absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!std::filesystem::exists(path)) {
    if (Ended()) {
      return absl::UnavailableError(
          absl::StrCat(name_, ": ended with ", *exit_, " before it wrote ", path));
    }
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(name_, ": no ", path, " after ", absl::FormatDuration(timeout)));
    }
    absl::SleepFor(kPoll);
  }
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "recyclingXXXXXX").string();
  path_ = mkdtemp(pattern.data()) == nullptr ? "" : pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace recycling::doubles
