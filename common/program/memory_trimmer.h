#ifndef RECYCLING_COMMON_PROGRAM_MEMORY_TRIMMER_H_
#define RECYCLING_COMMON_PROGRAM_MEMORY_TRIMMER_H_

#include <cstdint>
#include <functional>

namespace recycling {

// Makes the allocator give freed memory back when the process has grown. gRPC stores a large
// message in thousands of small pieces. After they are freed, glibc keeps their memory as long as
// memory in use lies between them. So a service that got many large messages would hold hundreds of
// MiB and use a few. Threads: one.
class MemoryTrimmer {
 public:
  // Growth after which Look trims, bytes.
  static constexpr std::uint64_t kGrowth = std::uint64_t{64} << 20;

  // `resident` returns the resident size of the process in bytes. `trim` gives freed memory back.
  MemoryTrimmer(std::function<std::uint64_t()> resident, std::function<void()> trim);

  // Trims if the resident size is kGrowth larger than its smallest value since the last trim.
  // Memory that was still in use then may be free by now, and the size does not show it. So while
  // the size is kGrowth above its smallest value of all, Look trims now and then: after 2 more
  // looks, then after 4, 8 and so on, up to 64.
  void Look();

 private:
  const std::function<std::uint64_t()> resident_;
  const std::function<void()> trim_;
  std::uint64_t least_;     // since the last trim
  std::uint64_t smallest_;  // of all
  int looks_ = 0;           // since the last trim
  int patience_ = 2;        // looks until the next trim without growth
};

// The trimmer of this process. With glibc it also fixes glibc's thresholds. With another allocator
// it does nothing. Call before any thread starts.
MemoryTrimmer TrimmerOfThisProcess();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_MEMORY_TRIMMER_H_
