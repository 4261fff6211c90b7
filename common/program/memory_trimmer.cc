#include "common/program/memory_trimmer.h"

#include <algorithm>
#include <utility>

#include "common/base/process_metrics.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace recycling {

MemoryTrimmer::MemoryTrimmer(std::function<std::uint64_t()> resident, std::function<void()> trim)
    : resident_(std::move(resident)),
      trim_(std::move(trim)),
      least_(resident_()),
      smallest_(least_) {}

void MemoryTrimmer::Look() {
  const std::uint64_t now = resident_();
  least_ = std::min(least_, now);
  smallest_ = std::min(smallest_, now);
  ++looks_;
  if (now >= least_ + kGrowth) {
    patience_ = 2;
  } else if (now >= smallest_ + kGrowth && looks_ >= patience_) {
    patience_ = std::min(2 * patience_, 64);
  } else {
    return;
  }
  trim_();
  looks_ = 0;
  least_ = resident_();
}

MemoryTrimmer TrimmerOfThisProcess() {
#ifdef __GLIBC__
  // When free() leaves more free memory at the end of an arena than the trim threshold, glibc gives
  // this memory back. Large blocks raise the trim threshold to as much as 64 MiB, unless the
  // program sets the thresholds.
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
