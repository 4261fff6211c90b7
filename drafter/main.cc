// The program recycling-drafter: parses flags, starts the drafter, serves until a stop signal
// comes, and saves the matrices.
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/program/caller_flags.h"
#include "common/program/metrics_flags.h"
#include "common/program/service_program.h"
#include "common/rpc/connection_metrics.h"
#include "drafter/service/drafter_flags.h"
#include "drafter/service/drafter_server.h"

namespace recycling::drafter {
namespace {

absl::Status Run() {
  DrafterOptions options = OptionsFromFlags();
  ASSIGN_OR_RETURN(options.callers, CallersFromFlags(ListenAddresses()));
  ASSIGN_OR_RETURN(const auto drafter, CreateDrafter(options));
  ASSIGN_OR_RETURN(RpcServerOptions server_options, ServerOptionsFromFlags());
  server_options.max_threads += drafter->max_threads();
  // A gateway uses one connection for all its requests, with one stream for each request.
  server_options.limits.max_streams += drafter->max_threads();
  ASSIGN_OR_RETURN(const auto server, StartService(std::move(server_options), drafter->service(),
                                                   kDrafterServiceName));
  ASSIGN_OR_RETURN(
      const auto metrics,
      StartMetrics("drafter", {[&drafter](MetricSet* set) { drafter->AddMetrics(set); },
                               ConnectionMetrics({server.get()})}));
  server->SetServing(true);
  Log(LogLevel::kInfo, "serving",
      {{"addresses", absl::StrJoin(server->addresses(), ",")},
       {"drafter_id", options.drafter_id},
       {"build", BuildVersion()}});
  WaitForStopSignal();
  StopService(*server);
  return drafter->SaveSnapshots();
}

}  // namespace
}  // namespace recycling::drafter

int main(int argc, char** argv) {
  return recycling::RunService(
      argc, argv,
      {.name = "recycling-drafter",
       .summary = "Proposes draft trees from adjacency matrices, which hold the latest candidates "
                  "after each token, and learns from every verified step.",
       .examples = "recycling-drafter\n"
                   "recycling-drafter --listen unix:/run/recycling/drafter\n"
                   "recycling-drafter --snapshot_dir /var/lib/recycling\n",
       .flags = recycling::drafter::DrafterFlags(),
       .defaults = {{"listen", "127.0.0.1:50052"}}},
      recycling::drafter::Run);
}
