// Turns a list of peers into addresses: those in the list, and those to which its names resolve.
#ifndef RECYCLING_GATEWAY_FLEET_PEER_ADDRESSES_H_
#define RECYCLING_GATEWAY_FLEET_PEER_ADDRESSES_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "gateway/fleet/peer_target.h"

namespace recycling::gateway {

// A name that cannot be resolved keeps the addresses it had. This class reads no clock and resolves
// no names; its caller does. `now` is Clock::Monotonic(). Threads: any.
class PeerAddresses {
 public:
  // A name is resolved again `refresh` after a success and `retry` after a failure.
  PeerAddresses(std::vector<PeerTarget> targets, absl::Duration refresh, absl::Duration retry)
      : refresh_(refresh), retry_(retry), targets_(std::move(targets)) {}

  // Replaces the list. Names that stay in the list keep their addresses.
  void SetTargets(std::vector<PeerTarget> targets);

  // The names to resolve now. A name is not returned again before its Resolved call.
  std::vector<std::string> TakeDue(absl::Duration now);
  // The caller reports the result of resolving `name`. Ignored if the name has left the list.
  void Resolved(const std::string& name, absl::StatusOr<std::vector<std::string>> addresses,
                absl::Duration now);

  // Every address of the list. May contain duplicates.
  std::vector<std::string> Wanted() const;

  // The names whose last resolution failed, or that have not been resolved yet, and why.
  std::vector<std::pair<std::string, absl::Status>> Failures() const;

 private:
  struct Name {
    std::vector<std::string> addresses;
    absl::Status error = absl::UnavailableError("not resolved yet");
    absl::Duration due = -absl::InfiniteDuration();  // infinite while it is being resolved
  };

  const absl::Duration refresh_;
  const absl::Duration retry_;
  mutable Mutex mutex_;
  std::vector<PeerTarget> targets_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Name> names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_ADDRESSES_H_
