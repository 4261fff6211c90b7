#include "common/program/memory_trimmer.h"

#include <algorithm>
#include <utility>

#include "common/base/process_metrics.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace recycling {

MemoryTrimmer::MemoryTrimmer(std::function<std::uint64_t()> resident, std::function<void()> trim)
    : resident_(std::move(resident)), trim_(std::move(trim)), least_(resident_()) {}

void MemoryTrimmer::Look() {
  const std::uint64_t now = resident_();
  least_ = std::min(least_, now);
  if (now < least_ + kGrowth) return;
  trim_();
  least_ = resident_();
}

MemoryTrimmer TrimmerOfThisProcess() {
#ifdef __GLIBC__
  // free() alone gives back the end of an arena if it exceeds a threshold. Large blocks raise this
  // threshold to 64 MiB for each arena, unless both thresholds are fixed.
  constexpr int kMiB = 1 << 20;
  mallopt(M_TRIM_THRESHOLD, kMiB);
  mallopt(M_MMAP_THRESHOLD, kMiB);
#endif
  return {ResidentBytes, [] {
#ifdef __GLIBC__
            malloc_trim(0);
#endif
          }};
}

}  // namespace recycling
