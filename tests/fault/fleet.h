// Real verifiers, drafters and gateways, each behind a proxy that can make its network fail.
#ifndef RECYCLING_TESTS_FAULT_FLEET_H_
#define RECYCLING_TESTS_FAULT_FLEET_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"
#include "tests/doubles/process.h"
#include "tests/fault/fault_proxy.h"
#include "tests/fault/process_facts.h"

namespace recycling::fault {

enum Role : int { kVerifier = 0, kDrafter = 1, kGateway = 2 };
inline constexpr int kRoles = 3;

struct FleetOptions {
  std::vector<int> members;  // [roles], numbers of members; at least one verifier and one gateway
  std::string programs;      // folder of the programs
  std::string folder;        // for logs and port files
  std::string model;
  // [roles]; more flags for the programs of each role.
  std::vector<std::vector<std::string>> flags = std::vector<std::vector<std::string>>(kRoles);
};

// One program and the proxy in front of it.
struct Member {
  Role role = kVerifier;
  int index = 0;     // within its role
  std::string name;  // "verifier 0"
  std::unique_ptr<FaultProxy> proxy;

  // FaultLane adds 1 when a fault begins and when the member has recovered, so it is odd in
  // between. Any thread may read it.
  std::atomic<std::uint64_t> disturbed = 0;
  // Used only by the thread that runs the fleet.
  std::vector<std::string> argv;
  std::unique_ptr<doubles::Process> process;
  std::string address;  // of the program itself, not of the proxy
  int starts = 0;
};

// Any thread may call const methods. Only the thread that made the fleet may call the others. That
// thread must outlive the fleet, because the programs end with the thread that started them.
class Fleet {
 public:
  // Starts all proxies and programs and waits until every gateway sees all its peers ready.
  static absl::StatusOr<std::unique_ptr<Fleet>> Start(const FleetOptions& options);

  const std::vector<std::unique_ptr<Member>>& of(int role) const {
    return members_[static_cast<std::size_t>(role)];
  }
  Member& member(int role, int index) const { return *of(role)[static_cast<std::size_t>(index)]; }

  // Starts a program that has ended, at a new address behind the same proxy.
  absl::Status Restart(Member& member);

  // For a gateway: whether it sees all undisturbed peers ready. For a peer: whether every
  // undisturbed gateway sees it ready.
  bool Ready(const Member& member) const;

  // Returns Internal with the names of all undisturbed members whose programs have ended.
  absl::Status CheckNoneCrashed() const;

  // Waits until no service has a request, a sequence or a session. DeadlineExceeded, with what is
  // left, after `patience`.
  absl::Status AwaitQuiet(absl::Duration patience) const;

  // The facts of the first member of each role, by member name.
  std::map<std::string, ProcessFacts> SurvivorFacts() const;

  // Waits until HoldsMore(now, before, spare) is false for every member of `before`, at most for
  // `patience`. Returns the last SurvivorFacts().
  std::map<std::string, ProcessFacts> AwaitReleased(
      const std::map<std::string, ProcessFacts>& before, int spare, absl::Duration patience) const;

  // An empty message if the gateway does not answer.
  gateway::v1::GetStatsResponse Stats(const Member& gateway) const;

 private:
  Fleet() = default;
  std::string Addresses(Role role) const;
  std::string Busy() const;

  FleetOptions options_;
  std::vector<std::vector<std::unique_ptr<Member>>> members_;
};

// A channel that shares no connection with any other.
std::shared_ptr<grpc::Channel> OwnChannel(const std::string& address);

// Waits until `condition` holds and checks it every few milliseconds. Returns false after
// `patience`.
bool Eventually(absl::Duration patience, const std::function<bool()>& condition);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_FLEET_H_
