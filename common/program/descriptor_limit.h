// How many file descriptors this process may have.
#ifndef RECYCLING_COMMON_PROGRAM_DESCRIPTOR_LIMIT_H_
#define RECYCLING_COMMON_PROGRAM_DESCRIPTOR_LIMIT_H_

#include <cstdint>

namespace recycling {

// Raises the soft limit to `needed` where it is lower and the hard limit allows, else to the hard
// limit. Returns the soft limit from then on.
std::int64_t RaiseDescriptorLimit(std::int64_t needed);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_DESCRIPTOR_LIMIT_H_
