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
  std::vector<int> members;  // of each role; at least one verifier and gateway
  std::string programs;      // folder
  std::string folder;        // for logs and port files
  std::string model;
  // Of each role, beside what the fleet itself sets.
  std::vector<std::vector<std::string>> flags = std::vector<std::vector<std::string>>(kRoles);
};

// One program and the proxy in front of it.
struct Member {
  Role role = kVerifier;
  int index = 0;     // within its role
  std::string name;  // "verifier 0"
  std::unique_ptr<FaultProxy> proxy;

  // Odd while a fault befalls it, one more at its begin and end. Any thread.
  std::atomic<std::uint64_t> disturbed = 0;
  // Of the thread that runs the fleet.
  std::vector<std::string> argv;
  std::unique_ptr<doubles::Process> process;
  std::string address;  // its own
  int starts = 0;
};

// Threads: what is const from any thread, the rest from the one that made it, which must live as
// long, because the programs end with it.
class Fleet {
 public:
  // Starts everything and waits until every gateway sees all its peers ready.
  static absl::StatusOr<std::unique_ptr<Fleet>> Start(const FleetOptions& options);

  const std::vector<std::unique_ptr<Member>>& of(int role) const {
    return members_[static_cast<std::size_t>(role)];
  }
  Member& member(int role, int index) const { return *of(role)[static_cast<std::size_t>(index)]; }

  // Starts a program that has ended, at a new address behind the same proxy.
  absl::Status Restart(Member& member);

  // Whether it works and everyone undisturbed knows: a gateway has all its undisturbed peers, a
  // peer is ready at every undisturbed gateway.
  bool Ready(const Member& member) const;

  // Internal naming every member whose program has ended without a fault that ends it.
  absl::Status CheckNoneCrashed() const;

  // Waits until no request, sequence or session is left in any service; else what is.
  absl::Status AwaitQuiet(absl::Duration patience) const;

  // What the first member of each role holds, by name.
  std::map<std::string, ProcessFacts> SurvivorFacts() const;

  // The same once none of `before` HoldsMore by `spare`, or as it is after `patience`.
  std::map<std::string, ProcessFacts> AwaitReleased(
      const std::map<std::string, ProcessFacts>& before, int spare, absl::Duration patience) const;

  // Empty if it does not answer.
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

// Asks every few milliseconds until it holds; false after `patience`.
bool Eventually(absl::Duration patience, const std::function<bool()>& condition);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_FLEET_H_
