// Which fault comes next: a function of the seed, and of nothing else.
#ifndef RECYCLING_TESTS_FAULT_FAULT_SCHEDULE_H_
#define RECYCLING_TESTS_FAULT_FAULT_SCHEDULE_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace recycling::fault {

// What can befall a service. All but kDrain come without warning.
enum class FaultKind {
  kKill,           // SIGKILL, started again later
  kPause,          // SIGSTOP, SIGCONT later
  kPauseThenKill,  // SIGSTOP, later SIGKILL and a new start
  kDrain,          // SIGTERM, started again once it has ended
  kReset,          // every connection is reset once
  kSilence,        // connections stay but carry nothing for a while
  kSilenceThenReset,
  kRefuse,     // connections are reset, new ones too, for a while
  kDelay,      // every byte is late for a while
  kHalfClose,  // clients seem to have sent their last byte
};
inline constexpr std::size_t kFaultKinds = 10;

const char* FaultName(FaultKind kind);

// Whether the process that it befalls ends.
bool EndsProcess(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kKill;
  int role = 0;
  int member = 0;           // within its role
  std::uint64_t after = 0;  // ticks from the end of the fault before
  std::uint64_t lasts = 0;  // ticks
};

struct FaultScheduleOptions {
  std::uint64_t seed = 0;
  // Members of each role. Member 0 survives: no fault that ends a process befalls it.
  std::vector<int> members;
  std::uint64_t longest_pause = 1;  // ticks between faults, 1 to this many
  std::uint64_t longest_fault = 1;  // ticks, 1 to this many
};

// Deals every kind for every role once, shuffled, then again; kinds that end a process only to
// roles of more than one member.
class FaultSchedule {
 public:
  explicit FaultSchedule(FaultScheduleOptions options);

  Fault Next();

  // Faults in one round.
  std::size_t round() const { return deck_.size(); }

 private:
  std::uint64_t UpTo(std::uint64_t most) { return 1 + random_() % most; }

  const FaultScheduleOptions options_;
  std::mt19937_64 random_;
  std::vector<Fault> deck_;
  std::size_t dealt_ = 0;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_FAULT_SCHEDULE_H_
