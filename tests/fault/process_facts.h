// What a process holds, as the kernel counts it, and whether that grows.
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
  std::int64_t resident_kib = 0;  // memory that is really there
  std::int64_t peak_kib = 0;      // the most there ever was
  std::string ForPeople() const;
};

// NotFound if there is no such process, or none that may be looked into.
absl::StatusOr<ProcessFacts> ReadProcessFacts(pid_t pid);

// gRPC's pools keep the threads that a rush has made, so many at most.
inline constexpr int kPoolThreads = 32;

// More than `spare` descriptors, or kPoolThreads threads, more than before.
bool HoldsMore(const ProcessFacts& now, const ProcessFacts& before, int spare);

// How a series of measurements, equally far apart, goes on: the median of its last quarter less
// that of its second one. The first quarter, in which caches fill, does not count. 0 below eight
// values.
std::int64_t Growth(std::span<const std::int64_t> series);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_PROCESS_FACTS_H_
