#include "common/grpc_log.h"

#include <grpc/support/log.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/log.h"
#include "common/mutex.h"

namespace recycling {
namespace {

constexpr int kLines = 10;
constexpr absl::Duration kWindow = absl::Seconds(10);

struct Budget {
  Mutex mutex;
  absl::Time window_end ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
  int left ABSL_GUARDED_BY(mutex) = 0;
  std::int64_t left_out ABSL_GUARDED_BY(mutex) = 0;
};

// Never destroyed: gRPC's threads may log while the process ends.
Budget& TheBudget() {
  static auto* const budget = new Budget;
  return *budget;
}

LogLevel LevelOf(gpr_log_severity severity) {
  return severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kError : LogLevel::kInfo;
}

void Write(gpr_log_func_args* line) {
  std::int64_t left_out = 0;
  {
    Budget& budget = TheBudget();
    MutexLock lock(budget.mutex);
    const absl::Time now = absl::Now();
    if (now >= budget.window_end) {
      budget.window_end = now + kWindow;
      budget.left = kLines;
    }
    if (budget.left == 0) {
      ++budget.left_out;
      return;
    }
    --budget.left;
    left_out = std::exchange(budget.left_out, 0);
  }
  const std::string_view file(line->file);
  Log(LevelOf(line->severity), "grpc",
      {{"text", line->message},
       {"at", absl::StrCat(std::string(file.substr(file.rfind('/') + 1)), ":", line->line)},
       {"left_out", absl::StrCat(left_out)}});
}

}  // namespace

void RouteGrpcLog() { gpr_set_log_function(Write); }

}  // namespace recycling
