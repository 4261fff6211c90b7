#include "verifier/kernels/panel_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "verifier/kernels/amx_layout.h"
// All headers that the loops need are included before the pragma. So no function that other sources
// share is compiled for this instruction set.
#include <algorithm>
#include <cstring>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#include "verifier/kernels/amx_kernel.h"
#include "verifier/kernels/amx_steps_avx512.h"

namespace recycling::verifier {
namespace {

// The operand of LDTILECFG: all eight registers have 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);
constexpr TileConfig kTileConfig;

// In assembly, because the intrinsics of GCC 12 do not say that they read and write memory, and do
// not take a template argument as the register's number. The destructor releases the tiles, so that
// the operating system need not save 8 KiB of them when the thread waits or does other work.
class HardwareTiles {
 public:
  static constexpr std::string_view kName = "amx";

  HardwareTiles() { asm volatile("ldtilecfg %0" ::"m"(kTileConfig)); }
  ~HardwareTiles() { asm volatile("tilerelease" ::: "memory"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int kTile>
  void Zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  void Load(const std::byte* from) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(kStride), "i"(kTile) : "memory");
  }
  template <int kTile>
  void Store(std::int32_t* to) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(kStride), "i"(kTile) : "memory");
  }
  template <int kC, int kA, int kB>
  void AddProducts() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));
  }

 private:
  static constexpr std::int64_t kStride = 64;
};

}  // namespace

const MatMulKernel& AmxTileKernel() {
  static const AmxKernel<HardwareTiles, Avx512Steps> kernel;
  return kernel;
}

}  // namespace recycling::verifier

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
