// Runs the faults of a schedule on a fleet, one after the other.
#ifndef RECYCLING_TESTS_FAULT_FAULT_LANE_H_
#define RECYCLING_TESTS_FAULT_FAULT_LANE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/fault/fault_schedule.h"
#include "tests/fault/fleet.h"

namespace recycling::fault {

// Runs one fault at a time. The states are kResting, kLasting (the fault has begun), kEnding (its
// time is over) and kRecovering (it has ended, but the member is not ready everywhere), then
// kResting again. Several lanes with different members of one fleet may take turns. Use from the
// thread of the fleet.
class FaultLane {
 public:
  // Fault.role is an index into `roles`. The caller chooses the unit of all ticks, for example
  // received messages or milliseconds. `now` is the current tick.
  FaultLane(Fleet& fleet, std::vector<Role> roles, FaultSchedule schedule, std::uint64_t now);

  // Begins or ends a fault if that is due at `now`. Returns an error if a program does not start,
  // does not drain, exits with an error or does not become ready again.
  absl::Status Step(std::uint64_t now);

  // The tick at which to call Step again. 0, which means at once, while the lane waits for a drain
  // or for recovery.
  std::uint64_t due() const {
    return state_ == State::kResting || state_ == State::kLasting ? due_ : 0;
  }

  bool resting() const { return state_ == State::kResting; }

  std::uint64_t faults() const { return faults_; }

  // The number of faults by kind and role, for example "kill verifier".
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

  // Describes the current fault for a message.
  std::string ForPeople() const;

 private:
  enum class State { kResting, kLasting, kEnding, kRecovering };

  void Begin();
  absl::Status End();
  absl::Status Overdue(const char* what) const;

  Fleet& fleet_;
  const std::vector<Role> roles_;
  FaultSchedule schedule_;
  Fault fault_;
  Member* member_ = nullptr;  // the member with the fault; null while resting
  State state_ = State::kResting;
  std::uint64_t due_ = 0;
  absl::Time patience_ends_;
  std::uint64_t faults_ = 0;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_FAULT_LANE_H_
