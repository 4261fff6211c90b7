#include "common/program/grpc_log.h"

#include <grpc/support/log.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/log_budget.h"

namespace recycling {
namespace {

constexpr int kLines = 10;
constexpr absl::Duration kWindow = absl::Seconds(10);

// Never destroyed: gRPC's threads may log while the process ends.
LogBudget& TheBudget() {
  static auto* const budget = new LogBudget(kLines, kWindow);
  return *budget;
}

LogLevel LevelOf(gpr_log_severity severity) {
  return severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kError : LogLevel::kInfo;
}

void Write(gpr_log_func_args* line) {
  const auto left_out = TheBudget().Take(RealClock().Monotonic());
  if (!left_out.has_value()) return;
  const std::string_view file(line->file);
  Log(LevelOf(line->severity), "grpc",
      {{"text", line->message},
       {"at", absl::StrCat(std::string(file.substr(file.rfind('/') + 1)), ":", line->line)},
       {"left_out", absl::StrCat(*left_out)}});
}

}  // namespace

void RouteGrpcLog() { gpr_set_log_function(Write); }

}  // namespace recycling
