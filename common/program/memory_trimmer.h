#ifndef RECYCLING_COMMON_PROGRAM_MEMORY_TRIMMER_H_
#define RECYCLING_COMMON_PROGRAM_MEMORY_TRIMMER_H_

#include <cstdint>
#include <functional>

namespace recycling {

// Has the allocator give back what was freed, when the process has grown. A large message comes in
// thousands of small pieces; glibc keeps them when they are freed, for as long as anything that is
// in use lies between them, so that a service that has met many holds hundreds of MiB of which it
// uses a few. Threads: one.
class MemoryTrimmer {
 public:
  // Growth that is looked into, bytes.
  static constexpr std::uint64_t kGrowth = std::uint64_t{64} << 20;

  // `resident` says what the process takes, bytes; `trim` gives back.
  MemoryTrimmer(std::function<std::uint64_t()> resident, std::function<void()> trim);

  // Trims if the process has grown by kGrowth since it was trimmed last, or took its least after
  // that.
  void Look();

 private:
  const std::function<std::uint64_t()> resident_;
  const std::function<void()> trim_;
  std::uint64_t least_;
};

// Of this process, with glibc, whose thresholds it fixes; with other allocators it does nothing.
// Call before any thread.
MemoryTrimmer TrimmerOfThisProcess();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_MEMORY_TRIMMER_H_
