// The limit on the file descriptors of this process.
#ifndef RECYCLING_COMMON_PROGRAM_DESCRIPTOR_LIMIT_H_
#define RECYCLING_COMMON_PROGRAM_DESCRIPTOR_LIMIT_H_

#include <cstdint>

namespace recycling {

// If the soft limit is lower than `needed`, raises it to `needed`, or to the hard limit if that is
// lower. Returns the new soft limit.
std::int64_t RaiseDescriptorLimit(std::int64_t needed);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_DESCRIPTOR_LIMIT_H_
