// Brings the faults of a schedule upon a fleet, one after the other.
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

// One fault at a time: Resting (befalls) Lasting (ends) Recovering (all know) Resting. Several
// lanes over different members of one fleet may take turns. Threads: the fleet's.
class FaultLane {
 public:
  // Fault.role counts within `roles`. Ticks are the caller's: deltas, milliseconds.
  FaultLane(Fleet& fleet, std::vector<Role> roles, FaultSchedule schedule, std::uint64_t now);

  // Does what is due at `now`. An error means that the fleet is not what it should be: a program
  // that does not start, does not drain, ends with an error, or is not found ready again.
  absl::Status Step(std::uint64_t now);

  // When Step is due again; at once while something is awaited that has no tick.
  std::uint64_t due() const {
    return state_ == State::kResting || state_ == State::kLasting ? due_ : 0;
  }

  bool resting() const { return state_ == State::kResting; }

  std::uint64_t faults() const { return faults_; }

  // Faults that befell, by kind and role: "kill verifier".
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

  // What is going on, for people.
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
  Member* member_ = nullptr;  // whom fault_ befalls
  State state_ = State::kResting;
  std::uint64_t due_ = 0;
  absl::Time patience_ends_;
  std::uint64_t faults_ = 0;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_FAULT_LANE_H_
