#include "common/program/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace recycling {

std::int64_t RaiseDescriptorLimit(std::int64_t needed) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = std::max(before, std::min(static_cast<rlim_t>(needed), limit.rlim_max));
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  constexpr rlim_t kMost = std::int64_t{1} << 40;  // "unlimited" is the largest rlim_t
  return static_cast<std::int64_t>(std::min(limit.rlim_cur, kMost));
}

}  // namespace recycling
