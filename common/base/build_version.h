#ifndef RECYCLING_COMMON_BASE_BUILD_VERSION_H_
#define RECYCLING_COMMON_BASE_BUILD_VERSION_H_

#include <string>

namespace recycling {

// Version and commit, for example "0.1.0 (829ed32)".
std::string BuildVersion();

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_BUILD_VERSION_H_
