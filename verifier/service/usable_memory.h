#ifndef RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_
#define RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_

#include <cstdint>
#include <string>

namespace recycling::verifier {

// Bytes of memory this process may use: what the machine has, or less where its control group
// (version 2, or the one a container sees of version 1) or one above has a limit. What is in use
// already is not counted. `root` is where proc and sys are looked for, for tests.
std::uint64_t UsableMemory(const std::string& root = "");

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_USABLE_MEMORY_H_
