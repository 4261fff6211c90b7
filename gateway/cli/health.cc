#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/program/program.h"
#include "common/rpc/health_client.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/connection.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/json_text.h"

ABSL_FLAG(std::string, service, "",
          "Service to ask for; empty asks whether the server is alive. Services: "
          "recycling.gateway.v1.GatewayService, recycling.verifier.v1.VerifierService, "
          "recycling.drafter.v1.DrafterService.");

namespace recycling::cli {
namespace {

constexpr char kProgram[] = "recycling health";
constexpr absl::Duration kDefaultTimeout = absl::Seconds(10);

std::string HealthText(const std::string& address, const absl::StatusOr<bool>& health) {
  if (!health.ok()) return absl::StrCat(address, ": ", Escaped(health.status().ToString()), "\n");
  return absl::StrCat(address, ": ", *health ? "SERVING" : "NOT_SERVING", "\n");
}

}  // namespace

ProgramInfo HealthInfo() {
  return {.name = kProgram,
          .summary =
              "Asks grpc.health.v1 of the gateway, or of every address given. Exits 0 if all "
              "serve, else 1.",
          .examples =
              "recycling health\n"
              "recycling health 127.0.0.1:50051 unix:/run/recycling/drafter\n"
              "recycling health --service recycling.gateway.v1.GatewayService --timeout 2s\n",
          .flags = WithConnectionFlags({GroupOf("Health", FLAGS_service)})};
}

int RunHealth(const std::vector<std::string>& words) {
  std::vector<std::string> addresses = words;
  if (addresses.empty()) addresses.push_back(absl::GetFlag(FLAGS_gateway));
  const std::string service = absl::GetFlag(FLAGS_service);
  const absl::Duration timeout = absl::GetFlag(FLAGS_timeout);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const std::string& address : addresses) {
    const auto channel = Connect("address", address, Carries::kHealthOnly);
    if (!channel.ok()) return FailUsage(kProgram, std::string(channel.status().message()));
    channels.push_back(*channel);
  }
  bool all = true;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const std::string& address = addresses[i];
    const absl::StatusOr<bool> health = CheckHealth(
        channels[i], service, timeout > absl::ZeroDuration() ? timeout : kDefaultTimeout);
    all = all && health.ok() && *health;
    const std::string text = absl::GetFlag(FLAGS_json) ? HealthJson(address, service, health)
                                                       : HealthText(address, health);
    if (!Print(kProgram, text)) return kExitFailure;
  }
  return all ? kExitOk : kExitFailure;
}

}  // namespace recycling::cli
