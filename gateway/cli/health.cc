#include <initializer_list>

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
          "Full name of the service to ask about, for example "
          "recycling.verifier.v1.VerifierService. Empty: the service of the gateway, the verifier "
          "or the drafter, whichever the server has.");
ABSL_FLAG(bool, live, false,
          "Ask only whether the server is alive, not whether it is ready for requests.");

namespace recycling::cli {
namespace {

constexpr char kHealthProgram[] = "recycling health";
constexpr absl::Duration kDefaultTimeout = absl::Seconds(10);

// Returns whether `service` is ready. If `service` is empty, asks about the first of our services
// that the server has, and sets `service` to its name.
absl::StatusOr<bool> CheckReady(const std::shared_ptr<grpc::Channel>& channel,
                                absl::Duration timeout, std::string* service) {
  if (!service->empty()) return CheckHealth(channel, *service, timeout);
  for (const char* name : {kGatewayService, kVerifierService, kDrafterService}) {
    const absl::StatusOr<bool> ready = CheckHealth(channel, name, timeout);
    if (absl::IsNotFound(ready.status())) continue;
    *service = name;
    return ready;
  }
  return absl::NotFoundError("the server has neither a gateway nor a verifier nor a drafter");
}

HealthReport Ask(const std::string& address, const std::shared_ptr<grpc::Channel>& channel,
                 absl::Duration timeout) {
  HealthReport report = {.address = address, .service = absl::GetFlag(FLAGS_service)};
  report.alive = CheckHealth(channel, "", timeout);
  if (!report.alive.ok()) report.alive = Explain(report.alive.status(), address);
  if (absl::GetFlag(FLAGS_live)) {
    report.service.clear();
  } else if (report.alive.ok()) {
    report.ready = CheckReady(channel, timeout, &report.service);
  } else {
    report.ready = report.alive.status();
  }
  return report;
}

std::string Answer(const char* what, const absl::StatusOr<bool>& answer) {
  if (!answer.ok()) return absl::StrCat("not ", what, ": ", Escaped(answer.status().ToString()));
  return absl::StrCat(*answer ? "" : "not ", what);
}

std::string HealthText(const HealthReport& report) {
  std::string text = absl::StrCat(report.address, ": ", Answer("alive", report.alive));
  if (report.ready.has_value() && report.alive.ok()) {
    absl::StrAppend(&text, ", ", Answer("ready", *report.ready));
    if (!report.service.empty()) absl::StrAppend(&text, " (", Escaped(report.service), ")");
  }
  return text + "\n";
}

}  // namespace

ProgramInfo HealthInfo() {
  return {
      .name = kHealthProgram,
      .summary =
          "Tells whether the gateway, or each server whose address is given, is alive and ready. "
          "Alive: its process answers. Ready: it takes requests; a gateway also needs a ready "
          "verifier. Exits 0 if all are ready (with --live: alive), else 1.",
      .examples =
          "recycling health\n"
          "recycling health 127.0.0.1:50051 unix:/run/recycling/drafter\n"
          "recycling health --live --timeout 2s\n",
      .flags = WithConnectionFlags({GroupOf("Health", FLAGS_service, FLAGS_live)})};
}

int RunHealth(const std::vector<std::string>& words) {
  std::vector<std::string> addresses = words;
  if (addresses.empty()) addresses.push_back(absl::GetFlag(FLAGS_gateway));
  const absl::Duration given = absl::GetFlag(FLAGS_timeout);
  const absl::Duration timeout = given > absl::ZeroDuration() ? given : kDefaultTimeout;
  if (absl::GetFlag(FLAGS_live) && !absl::GetFlag(FLAGS_service).empty()) {
    return FailUsage(kHealthProgram, "got --live and --service, expected one of them");
  }
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const std::string& address : addresses) {
    const auto channel = Connect("address", address, Carries::kHealthOnly);
    if (!channel.ok()) return FailUsage(kHealthProgram, std::string(channel.status().message()));
    channels.push_back(*channel);
  }
  bool all = true;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const HealthReport report = Ask(addresses[i], channels[i], timeout);
    all = all && report.good();
    const std::string text = absl::GetFlag(FLAGS_json) ? HealthJson(report) : HealthText(report);
    if (!Print(kHealthProgram, text)) return kExitFailure;
  }
  return all ? kExitOk : kExitFailure;
}

}  // namespace recycling::cli
