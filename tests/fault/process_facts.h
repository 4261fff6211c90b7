// Reads from the kernel what a process holds, and measures growth.
#ifndef RECYCLING_TESTS_FAULT_PROCESS_FACTS_H_
#define RECYCLING_TESTS_FAULT_PROCESS_FACTS_H_

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace recycling::fault {

struct ProcessFacts {
  int descriptors = 0;  // open files and sockets
  int threads = 0;
  std::int64_t resident_kib = 0;  // resident memory
  std::int64_t peak_kib = 0;      // largest resident memory so far
  std::string ForPeople() const;
};

// NotFound if the process does not exist or this process may not read its facts.
absl::StatusOr<ProcessFacts> ReadProcessFacts(pid_t pid);

// gRPC's thread pools keep threads that they started under load. This is the largest number that
// they keep.
inline constexpr int kPoolThreads = 32;

// Whether `now` has more than `spare` additional descriptors, or more than kPoolThreads additional
// threads.
bool HoldsMore(const ProcessFacts& now, const ProcessFacts& before, int spare);

// The growth of a series of measurements at equal intervals: the median of the last quarter minus
// the median of the second quarter. The first quarter does not count, because caches still fill. 0
// for fewer than eight values.
std::int64_t Growth(std::span<const std::int64_t> series);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_PROCESS_FACTS_H_
