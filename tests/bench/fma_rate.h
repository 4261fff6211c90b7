// The bare rate of fused multiply-adds, beside which loops over floats are measured.
#ifndef RECYCLING_TESTS_BENCH_FMA_RATE_H_
#define RECYCLING_TESTS_BENCH_FMA_RATE_H_

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "verifier/kernels/cpu.h"
#include "verifier/kernels/thread_pool.h"

namespace recycling::bench {

#if defined(__x86_64__)

inline constexpr int kFmaSteps = 20000;

// kFmaSteps times twelve instructions on zeros. Each waits for its own last sum only. The registers
// are named, so that the compiler keeps no sum in memory.
#define RECYCLING_FMA_REGISTERS                                                            \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13"
#define RECYCLING_FMA(v)                                     \
  asm volatile("vzeroall" ::: RECYCLING_FMA_REGISTERS);      \
  for (int i = 0; i < kFmaSteps; ++i) {                      \
    asm volatile(                                            \
        ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n\t" \
        "vfmadd231ps %%" v "12, %%" v "13, %%" v             \
        "\\sum\n\t"                                          \
        ".endr" ::                                           \
            : RECYCLING_FMA_REGISTERS);                      \
  }                                                          \
  asm volatile("vzeroall" ::: RECYCLING_FMA_REGISTERS)

// Floating-point operations a second (a multiply-add is two) of the threads of `pool`, each with
// multiply-adds alone, in the widest registers of `set`. The best of several rounds; 0 if `set` has
// no such instruction.
inline double FmaRate(verifier::ThreadPool& pool, verifier::InstructionSet set) {
  if (set < verifier::InstructionSet::kAvx2) return 0;
  const bool wide = set >= verifier::InstructionSet::kAvx512;
  double best = 0;
  for (int round = 0; round < 50; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.Run(pool.threads(), [&](std::size_t, std::size_t) {
      if (wide) {
        RECYCLING_FMA("zmm");
      } else {
        RECYCLING_FMA("ymm");
      }
    });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const double operations = 2.0 * (wide ? 16 : 8) * 12 * kFmaSteps;
    best = std::max(best, static_cast<double>(pool.threads()) * operations / took.count());
  }
  return best;
}

#undef RECYCLING_FMA
#undef RECYCLING_FMA_REGISTERS

#else

inline double FmaRate(verifier::ThreadPool&, verifier::InstructionSet) { return 0; }

#endif

}  // namespace recycling::bench

#endif  // RECYCLING_TESTS_BENCH_FMA_RATE_H_
