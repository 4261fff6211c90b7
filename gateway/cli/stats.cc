#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/program/program.h"
#include "common/rpc/status_grpc.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/connection.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/json_text.h"
#include "gateway/cli/statistics_text.h"
#include "gateway/cli/stats_view.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

ABSL_FLAG(
    bool, watch, false,
    "Show what has happened since the last view, and repeat this every 2 seconds. An argument "
    "gives another number of seconds. Ctrl-C ends the command.");

namespace recycling::cli {
namespace {

constexpr char kStatsProgram[] = "recycling stats";

using Stub = gateway::v1::GatewayService::Stub;

absl::StatusOr<gateway::v1::GetStatsResponse> Ask(Stub& stub, absl::Duration timeout) {
  InterruptibleCall call(timeout);
  gateway::v1::GetStatsResponse stats;
  const absl::Status status =
      FromGrpcStatus(stub.GetStats(call.context(), gateway::v1::GetStatsRequest(), &stats));
  if (!status.ok()) return status;
  return stats;
}

// Runs until it is interrupted or cannot print.
int Watch(const std::string& address, absl::Duration interval) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  // Waits for an answer as long as one interval, but at least 2 s.
  const absl::Duration timeout = std::max(interval, absl::Seconds(2));
  std::unique_ptr<Stub> stub;
  std::optional<gateway::v1::GetStatsResponse> before;
  std::string screen = terminal ? "\x1b[2J" : "";
  for (;; absl::SleepFor(interval)) {
    absl::StatusOr<gateway::v1::GetStatsResponse> stats = absl::UnknownError("");
    if (stub == nullptr) {
      const auto channel = Connect("--gateway", address);
      if (channel.ok()) stub = gateway::v1::GatewayService::NewStub(*channel);
      if (!channel.ok()) stats = channel.status();
    }
    if (stub != nullptr) stats = Ask(*stub, timeout);
    if (absl::IsCancelled(stats.status())) return Fail(kStatsProgram, "", stats.status());
    std::string view;
    if (stats.ok()) {
      view = StatsView(address, before.value_or(gateway::v1::GetStatsResponse()), *stats);
      before = *stats;
    } else {
      view = LostView(address, Explain(stats.status(), address));
      stub.reset();  // a new channel connects at once, but after failures an old one waits
    }
    screen += terminal ? Redraw(view) : view + "\n";
    if (!Print(kStatsProgram, screen)) return kExitFailure;
    screen.clear();
  }
}

}  // namespace

ProgramInfo StatsInfo() {
  return {.name = kStatsProgram,
          .summary =
              "Shows a gateway's peers and its totals since its start, or "
              "with --watch what it is doing now.",
          .examples =
              "recycling stats\n"
              "recycling stats --gateway 10.0.0.7:50050 --json\n"
              "recycling stats --watch\n"
              "recycling stats --watch 0.5\n",
          .flags = WithConnectionFlags({GroupOf("Statistics", FLAGS_watch)})};
}

int RunStats(const std::vector<std::string>& words) {
  const bool watch = absl::GetFlag(FLAGS_watch);
  double seconds = 2;
  if (words.size() > (watch ? 1 : 0)) {
    return FailUsage(kStatsProgram, absl::StrCat("got \"", words.back(), "\", expected ",
                                                 watch ? "one number of seconds" : "flags only"));
  }
  if (!words.empty() &&
      (!absl::SimpleAtod(words[0], &seconds) || !(seconds >= 0.1) || !(seconds <= 86400))) {
    return FailUsage(kStatsProgram,
                     absl::StrCat("got \"", words[0], "\", expected seconds from 0.1 to 86400"));
  }
  if (watch && absl::GetFlag(FLAGS_json)) {
    return FailUsage(kStatsProgram, "got --watch and --json, expected one of them");
  }
  const std::string address = absl::GetFlag(FLAGS_gateway);
  const auto channel = Connect("--gateway", address);
  if (!channel.ok()) return FailUsage(kStatsProgram, std::string(channel.status().message()));
  if (watch) return Watch(address, absl::Seconds(seconds));
  const auto stub = gateway::v1::GatewayService::NewStub(*channel);
  const auto stats = Ask(*stub, absl::GetFlag(FLAGS_timeout));
  if (!stats.ok())
    return Fail(kStatsProgram, absl::StrCat("gateway ", address), Explain(stats.status(), address));
  const std::string text = absl::GetFlag(FLAGS_json) ? StatsJson(*stats) : StatsText(*stats);
  return Print(kStatsProgram, text) ? kExitOk : kExitFailure;
}

}  // namespace recycling::cli
