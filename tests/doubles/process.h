// Runs programs as child processes of a test. They never outlive the test.
#ifndef RECYCLING_TESTS_DOUBLES_PROCESS_H_
#define RECYCLING_TESTS_DOUBLES_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace recycling::doubles {

// Threads: only one thread may use it at a time. The kernel kills the process when the thread that
// started it ends, so a test that crashes leaves no process behind. Start it on a thread that runs
// at least as long as the process.
class Process {
 public:
  // Starts argv[0] (a path) and appends its output to the file `log`. NotFound if there is no such
  // program.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const std::vector<std::string>& argv,
                                                        const std::string& log);

  // Kills and reaps it if it still runs.
  ~Process();

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Sends `signal`. Does nothing if the process has ended.
  void Signal(int signal);

  // Waits until the process ends. Returns its exit code, or 128 + the signal that ended it.
  // DeadlineExceeded if it still runs after `timeout`.
  absl::StatusOr<int> Wait(absl::Duration timeout);

  // Waits until the program has written `path`, and returns its lines. Unavailable if the program
  // ends first, DeadlineExceeded after `timeout`.
  absl::StatusOr<std::vector<std::string>> WaitForLines(const std::string& path,
                                                        absl::Duration timeout);

  pid_t pid() const { return pid_; }

 private:
  Process(pid_t pid, std::string name) : pid_(pid), name_(std::move(name)) {}

  // Whether the process has ended. If so, reaps it.
  bool Ended();

  const pid_t pid_;
  const std::string name_;
  std::optional<int> exit_;
};

// A new empty folder. The destructor removes it with its contents.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_PROCESS_H_
