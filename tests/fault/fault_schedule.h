// Chooses the next fault. Only the seed decides.
#ifndef RECYCLING_TESTS_FAULT_FAULT_SCHEDULE_H_
#define RECYCLING_TESTS_FAULT_FAULT_SCHEDULE_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace recycling::fault {

// The faults of a service. Only kDrain lets the service finish its work.
enum class FaultKind {
  kKill,              // SIGKILL, later a restart
  kPause,             // SIGSTOP, later SIGCONT
  kPauseThenKill,     // SIGSTOP, later SIGKILL and a restart
  kDrain,             // SIGTERM, and a restart after the exit
  kReset,             // the proxy resets every connection once
  kSilence,           // connections stay open, but the proxy forwards no bytes for some time
  kSilenceThenReset,  // kSilence, later kReset
  kRefuse,            // the proxy resets old and new connections for some time
  kDelay,             // the proxy delays every byte for some time
  kHalfClose,         // the proxy ends the direction from client to service of every connection
};
inline constexpr std::size_t kFaultKinds = 10;

const char* FaultName(FaultKind kind);

// Whether the fault ends the process.
bool EndsProcess(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kKill;
  int role = 0;
  int member = 0;           // within its role
  std::uint64_t after = 0;  // pause since the end of the previous fault, in ticks
  std::uint64_t lasts = 0;  // duration, in ticks
};

struct FaultScheduleOptions {
  std::uint64_t seed = 0;
  // The number of members of each role. Member 0 survives: it gets no fault that ends its process.
  std::vector<int> members;
  std::uint64_t longest_pause = 1;  // in ticks; a pause has at least 1
  std::uint64_t longest_fault = 1;  // in ticks; a fault has at least 1
};

// Each round has every kind of fault once for every role, in random order. A role with one member
// gets no kind that ends a process.
class FaultSchedule {
 public:
  explicit FaultSchedule(FaultScheduleOptions options);

  Fault Next();

  // The number of faults in one round.
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
