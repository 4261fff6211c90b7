// The functions that all commands share: calls that Ctrl-C cancels, printing of errors, and the
// terminal.
#ifndef RECYCLING_GATEWAY_CLI_CLIENT_H_
#define RECYCLING_GATEWAY_CLI_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace recycling::cli {

// From now on Ctrl-C and SIGTERM cancel the running call. If no call is running, they end the
// process with exit code 130. A second signal ends the process at once. Call first in main.
void WatchInterrupts();

// From now on Ctrl-C cancels the running call and nothing else, as often as it is pressed. SIGTERM
// still ends the process, and then restores the terminal on stdin as it is now.
void InterruptsEndCallsOnly();

// The context of one call, which Ctrl-C cancels while this object exists. Only one may exist at a
// time.
class InterruptibleCall {
 public:
  // No deadline if `timeout` is zero or infinite.
  explicit InterruptibleCall(absl::Duration timeout);
  ~InterruptibleCall();

  InterruptibleCall(const InterruptibleCall&) = delete;
  InterruptibleCall& operator=(const InterruptibleCall&) = delete;

  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
};

// Prints "<program>: <what>: CODE: message" on stderr, with control characters escaped. Returns the
// exit code: kExitInterrupted after Ctrl-C, else kExitFailure.
int Fail(const std::string& program, const std::string& what, const absl::Status& status);

// Prints "<program>: <message>" and how to get help, on stderr. Returns kExitUsage.
int FailUsage(const std::string& program, const std::string& message);

// Writes to stdout and flushes. If that fails, says so on stderr and returns false.
bool Print(const std::string& program, const std::string& text);

// Whether stderr is a terminal, so that progress may be shown.
bool StderrIsTerminal();

// Whether stdout is a terminal and NO_COLOR is not set.
bool StdoutHasColors();

// `text` in bold for a terminal on stderr, unless NO_COLOR is set.
std::string Bold(const std::string& text);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_CLIENT_H_
