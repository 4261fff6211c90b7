#ifndef RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_
#define RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_

#include <cstdint>
#include <string>

namespace recycling::verifier {

// Bytes of memory that this process may use: the memory of the machine, or the lowest limit of its
// control group and the groups above it (version 2, or version 1 as a container sees it). Memory
// that is in use already is not subtracted. `root` is put before /proc and /sys, for tests.
std::uint64_t UsableMemory(const std::string& root = "");

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_
