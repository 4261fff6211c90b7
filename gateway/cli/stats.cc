#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/program.h"
#include "common/status_grpc.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/connection.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/json_text.h"
#include "gateway/cli/statistics_text.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

namespace recycling::cli {
namespace {
constexpr char kProgram[] = "recycling stats";
}  // namespace

int RunStats(int argc, char** argv) {
  const ProgramInfo info = {.name = kProgram,
                            .summary = "shows a gateway's totals since its start and its peers.",
                            .examples =
                                "recycling stats\n"
                                "recycling stats --gateway 10.0.0.7:50050 --json\n",
                            .flag_files = {kClientFlags}};
  const std::vector<std::string> extra = ParseProgramFlags(argc, argv, info);
  if (!extra.empty()) {
    return FailUsage(kProgram, absl::StrCat("got \"", extra[0], "\", expected flags only"));
  }
  const std::string address = absl::GetFlag(FLAGS_gateway);
  const auto channel = Connect("--gateway", address);
  if (!channel.ok()) return FailUsage(kProgram, std::string(channel.status().message()));
  const auto stub = gateway::v1::GatewayService::NewStub(*channel);
  InterruptibleCall call(absl::GetFlag(FLAGS_timeout));
  gateway::v1::GetStatsResponse stats;
  const absl::Status status =
      FromGrpcStatus(stub->GetStats(call.context(), gateway::v1::GetStatsRequest(), &stats));
  if (!status.ok()) return Fail(kProgram, absl::StrCat("gateway ", address), status);
  const std::string text = absl::GetFlag(FLAGS_json) ? StatsJson(stats) : StatsText(stats);
  return Print(kProgram, text) ? kExitOk : kExitFailure;
}

}  // namespace recycling::cli
