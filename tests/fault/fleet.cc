#include "tests/fault/fleet.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"

namespace recycling::fault {
namespace {

constexpr absl::Duration kStartPatience = absl::Minutes(2);
constexpr const char* kNames[kRoles] = {"verifier", "drafter", "gateway"};

bool Undisturbed(const Member& member) { return member.disturbed.load() % 2 == 0; }

// Makes a call with a deadline of two seconds. Returns whether it ended with OK.
template <typename Call>
bool Ask(const Call& call) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  return call(&context).ok();
}

bool SeesReady(const gateway::v1::GetStatsResponse& stats, const std::string& address) {
  for (const auto& peer : stats.peers()) {
    if (peer.address() == address) return peer.ready();
  }
  return false;
}

bool Runs(const Member& member) {
  return member.process != nullptr &&
         absl::IsDeadlineExceeded(member.process->Wait(absl::ZeroDuration()).status());
}

}  // namespace

std::shared_ptr<grpc::Channel> OwnChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

bool Eventually(absl::Duration patience, const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

absl::StatusOr<std::unique_ptr<Fleet>> Fleet::Start(const FleetOptions& options) {
  std::unique_ptr<Fleet> fleet(new Fleet());
  fleet->options_ = options;
  fleet->members_.resize(kRoles);
  for (int role = 0; role < kRoles; ++role) {
    for (int i = 0; i < options.members[static_cast<std::size_t>(role)]; ++i) {
      auto& member =
          *fleet->members_[static_cast<std::size_t>(role)].emplace_back(std::make_unique<Member>());
      member.role = static_cast<Role>(role);
      member.index = i;
      member.name = absl::StrCat(kNames[role], " ", i);
      ASSIGN_OR_RETURN(member.proxy, FaultProxy::Start());
      member.argv = {absl::StrCat(options.programs, "/recycling-", kNames[role])};
      if (role == kVerifier) member.argv.push_back("--model=" + options.model);
      if (role == kDrafter) member.argv.push_back(absl::StrCat("--drafter_id=drafter-", i));
      if (role == kGateway) {
        member.argv.push_back("--verifiers=" + fleet->Addresses(kVerifier));
        member.argv.push_back("--drafters=" + fleet->Addresses(kDrafter));
      }
      const auto& more = options.flags[static_cast<std::size_t>(role)];
      member.argv.insert(member.argv.end(), more.begin(), more.end());
      RETURN_IF_ERROR(fleet->Restart(member));
    }
  }
  for (const auto& gateway : fleet->of(kGateway)) {
    if (!Eventually(kStartPatience, [&] { return fleet->Ready(*gateway); })) {
      return absl::UnavailableError(
          absl::StrCat(gateway->name, ": not ready\n", fleet->Stats(*gateway).DebugString()));
    }
  }
  return fleet;
}

std::string Fleet::Addresses(Role role) const {
  std::string list;
  for (const auto& member : of(role)) {
    absl::StrAppend(&list, list.empty() ? "" : ",", member->proxy->address());
  }
  return list;
}

absl::Status Fleet::Restart(Member& member) {
  const std::string stem =
      absl::StrCat(options_.folder, "/", kNames[member.role], ".", member.index);
  const std::string port_file = absl::StrCat(stem, ".", member.starts++, ".port");
  std::vector<std::string> argv = member.argv;
  argv.push_back("--listen=127.0.0.1:0");
  argv.push_back("--port_file=" + port_file);
  ASSIGN_OR_RETURN(member.process, doubles::Process::Start(argv, stem + ".log"));
  ASSIGN_OR_RETURN(const auto lines, member.process->WaitForLines(port_file, kStartPatience));
  if (lines.empty()) return absl::InternalError(absl::StrCat(member.name, ": empty port file"));
  member.address = lines.front();
  member.proxy->SetTarget(member.address);
  return absl::OkStatus();
}

gateway::v1::GetStatsResponse Fleet::Stats(const Member& gateway) const {
  gateway::v1::GetStatsResponse stats;
  const auto stub = gateway::v1::GatewayService::NewStub(OwnChannel(gateway.address));
  if (!Ask([&](auto* context) { return stub->GetStats(context, {}, &stats); })) stats.Clear();
  return stats;
}

bool Fleet::Ready(const Member& member) const {
  for (const auto& gateway : of(kGateway)) {
    const bool self = gateway.get() == &member;
    if (member.role == kGateway ? !self : !Undisturbed(*gateway)) continue;
    const auto stats = Stats(*gateway);
    for (const int role : {kVerifier, kDrafter}) {
      for (const auto& peer : of(role)) {
        const bool matters = self ? Undisturbed(*peer) : peer.get() == &member;
        if (matters && !SeesReady(stats, peer->proxy->address())) return false;
      }
    }
  }
  return true;
}

absl::Status Fleet::CheckNoneCrashed() const {
  std::vector<std::string> names;
  for (int role = 0; role < kRoles; ++role) {
    for (const auto& member : of(role)) {
      if (Undisturbed(*member) && !Runs(*member)) names.push_back(member->name);
    }
  }
  if (names.empty()) return absl::OkStatus();
  return absl::InternalError("crashed: " + absl::StrJoin(names, ", "));
}

std::map<std::string, ProcessFacts> Fleet::AwaitReleased(
    const std::map<std::string, ProcessFacts>& before, int spare, absl::Duration patience) const {
  std::map<std::string, ProcessFacts> now;
  Eventually(patience, [&] {
    now = SurvivorFacts();
    return std::none_of(before.begin(), before.end(), [&](const auto& entry) {
      return HoldsMore(now[entry.first], entry.second, spare);
    });
  });
  return now;
}

std::string Fleet::Busy() const {
  for (const auto& gateway : of(kGateway)) {
    const auto stats = Stats(*gateway);
    if (stats.uptime_micros() == 0) return gateway->name + " does not answer";
    if (stats.requests_running() > 0) {
      return absl::StrCat(gateway->name, ": ", stats.requests_running(), " requests");
    }
  }
  for (const auto& member : of(kVerifier)) {
    const auto stub = verifier::v1::VerifierService::NewStub(OwnChannel(member->address));
    verifier::v1::HandshakeResponse response;
    if (!Ask([&](auto* context) { return stub->Handshake(context, {}, &response); })) {
      return member->name + " does not answer";
    }
    const auto& load = response.load();
    if (load.open_sequences() + load.queued_passes() > 0) {
      return absl::StrCat(member->name, ": ", load.ShortDebugString());
    }
  }
  for (const auto& member : of(kDrafter)) {
    const auto stub = drafter::v1::DrafterService::NewStub(OwnChannel(member->address));
    drafter::v1::GetMatrixInfoResponse info;
    if (!Ask([&](auto* context) { return stub->GetMatrixInfo(context, {}, &info); })) {
      return member->name + " does not answer";
    }
    if (info.open_sessions() > 0) {
      return absl::StrCat(member->name, ": ", info.open_sessions(), " sessions");
    }
  }
  return "";
}

absl::Status Fleet::AwaitQuiet(absl::Duration patience) const {
  std::string busy;
  if (Eventually(patience, [&] { return (busy = Busy()).empty(); })) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat("not quiet: ", busy));
}

std::map<std::string, ProcessFacts> Fleet::SurvivorFacts() const {
  std::map<std::string, ProcessFacts> facts;
  for (int role = 0; role < kRoles; ++role) {
    if (of(role).empty()) continue;
    const Member& member = *of(role)[0];
    const auto read = ReadProcessFacts(member.process->pid());
    if (read.ok()) facts[member.name] = *read;
  }
  return facts;
}

}  // namespace recycling::fault
