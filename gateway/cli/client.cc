#include "gateway/cli/client.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/retry_delay.h"
#include "common/program/program.h"
#include "common/rpc/rpc_server.h"
#include "gateway/cli/api_key.h"

namespace recycling::cli {
namespace {

struct Interrupts {
  Mutex mu;
  grpc::ClientContext* running ABSL_GUARDED_BY(mu) = nullptr;
  bool interrupted ABSL_GUARDED_BY(mu) = false;
  // Set by InterruptsEndCallsOnly.
  bool end_calls_only ABSL_GUARDED_BY(mu) = false;
  struct termios terminal ABSL_GUARDED_BY(mu) = {};
};

// Never destroyed, because the watching thread runs as long as the process.
Interrupts& Global() {
  static Interrupts* const interrupts = new Interrupts();
  return *interrupts;
}

bool Interrupted() {
  MutexLock lock(Global().mu);
  return Global().interrupted;
}

int AwaitStopSignal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  int signal = 0;
  sigwait(&set, &signal);
  return signal;
}

void TakeSignal(int signal) {
  Interrupts& interrupts = Global();
  MutexLock lock(interrupts.mu);
  if (interrupts.end_calls_only && signal == SIGINT) {
    if (interrupts.running != nullptr) interrupts.running->TryCancel();
    return;
  }
  if (interrupts.end_calls_only) {
    // A line editor may have changed the terminal.
    tcsetattr(STDIN_FILENO, TCSANOW, &interrupts.terminal);
    _exit(kExitInterrupted);
  }
  if (interrupts.running == nullptr || interrupts.interrupted) _exit(kExitInterrupted);
  interrupts.interrupted = true;
  interrupts.running->TryCancel();
}

// Advice that the status itself does not give; empty if there is none.
std::string Hint(const absl::Status& status) {
  if (const auto delay = RetryDelay(status); delay.has_value()) {
    return absl::StrCat(" (try again in ", absl::FormatDuration(*delay), ")");
  }
  if (absl::IsUnauthenticated(status)) {
    return " (--api_key_file or RECYCLING_API_KEY gives a key)";
  }
  if (absl::IsUnimplemented(status) && status.message().empty()) {
    return "the server at this address does not have this service";
  }
  if (absl::IsUnavailable(status) && status.message().find("onnect") != std::string::npos) {
    return " (is the service running there? --help says how to name another address)";
  }
  return "";
}

}  // namespace

void WatchInterrupts() {
  BlockStopSignals();
  std::thread([] {
    while (true) TakeSignal(AwaitStopSignal());
  }).detach();
}

void InterruptsEndCallsOnly() {
  MutexLock lock(Global().mu);
  tcgetattr(STDIN_FILENO, &Global().terminal);
  Global().end_calls_only = true;
}

InterruptibleCall::InterruptibleCall(absl::Duration timeout) {
  AddApiKey(&context_);
  if (timeout > absl::ZeroDuration() && timeout < absl::InfiniteDuration()) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }
  Interrupts& interrupts = Global();
  MutexLock lock(interrupts.mu);
  if (interrupts.interrupted) context_.TryCancel();
  interrupts.running = &context_;
}

InterruptibleCall::~InterruptibleCall() {
  MutexLock lock(Global().mu);
  Global().running = nullptr;
}

int Fail(const std::string& program, const std::string& what, const absl::Status& status) {
  if (Interrupted()) {
    std::fprintf(stderr, "%s: interrupted\n", program.c_str());
    return kExitInterrupted;
  }
  std::fprintf(stderr, "%s: %s: %s%s\n", program.c_str(), Escaped(what).c_str(),
               Escaped(status.ToString(absl::StatusToStringMode::kWithNoExtraData)).c_str(),
               Hint(status).c_str());
  return kExitFailure;
}

int FailUsage(const std::string& program, const std::string& message) {
  std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", program.c_str(), Escaped(message).c_str(),
               program.c_str());
  return kExitUsage;
}

bool Print(const std::string& program, const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return true;
  }
  std::fprintf(stderr, "%s: cannot write to stdout: %s\n", program.c_str(), std::strerror(errno));
  return false;
}

bool StderrIsTerminal() { return isatty(STDERR_FILENO) == 1; }

static bool ColorsAllowed() {
  const char* no_color = std::getenv("NO_COLOR");
  return no_color == nullptr || *no_color == '\0';
}

bool StdoutHasColors() { return isatty(STDOUT_FILENO) == 1 && ColorsAllowed(); }

std::string Bold(const std::string& text) {
  return StderrIsTerminal() && ColorsAllowed() ? absl::StrCat("\x1b[1m", text, "\x1b[0m") : text;
}

}  // namespace recycling::cli
