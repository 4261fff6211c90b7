#ifndef RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_
#define RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_

#include <cstdint>
#include <string>

namespace recycling::verifier {

// The bytes of memory that this process may use: the lowest of the memory of the machine, the limit
// of the control group of the process, and the limits of the groups above it. Reads control groups
// of version 2. Of version 1 it reads only the root group, which inside a container is the group of
// the container. Memory that is already in use counts, too. `root` is put before /proc and /sys,
// for tests.
std::uint64_t UsableMemory(const std::string& root = "");

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_
