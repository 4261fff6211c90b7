#include "verifier/kernels/panel_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "verifier/kernels/panel_layout.h"
// All headers that the loops need come before the pragma, so that code shared with other sources is
// not compiled for this instruction set.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#if defined(__clang__)
#pragma clang attribute push(                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,prfchw"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,prfchw")
#endif

#include "verifier/kernels/amx_kernel.h"
#include "verifier/kernels/isa_avx512.h"

namespace recycling::verifier {
namespace {

// The operand of LDTILECFG. Tile registers 0 to 3 hold sums, 4 and 5 hold inputs, 6 and 7 hold
// weights.
struct alignas(64) TileConfig {
  TileConfig(int columns, int height) {
    for (int t = 0; t < 8; ++t) {
      row_bytes[t] = static_cast<std::uint16_t>(t == 4 || t == 5 ? columns : 64);
      rows[t] = static_cast<std::uint8_t>(t < 6 ? height : columns / 4);
    }
  }
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Uses assembly, because the AMX intrinsics of GCC 12 do not tell the compiler that they read and
// write memory, and do not accept a template parameter as a register number. The destructor
// releases the tiles, so that the operating system need not save their 8 KiB when the thread does
// other work.
class HardwareTiles {
 public:
  static constexpr std::string_view kName = "amx";
  static constexpr int kTurnSteps = 8;

  HardwareTiles(int columns, int rows) {
    const TileConfig config(columns, rows);
    asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
  }
  ~HardwareTiles() { asm volatile("tilerelease" ::: "memory"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int kTile>
  void Zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  void LoadInputs(const std::byte* from) {
    Load<kTile>(from, kBlockColumns);
  }
  template <int kTile>
  void LoadWeights(const std::byte* from) {
    Load<kTile>(from, kRowBytes);
  }
  template <int kTile>
  void Store(std::int32_t* to) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(kSumStride), "i"(kTile)
                 : "memory");
  }
  template <int kC, int kA, int kB>
  void AddProducts() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));
  }

 private:
  static constexpr std::int64_t kSumStride = 64;

  template <int kTile>
  static void Load(const std::byte* from, std::size_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
  }
};

}  // namespace

const MatMulKernel& AmxTileKernel() {
  static const AmxKernel<HardwareTiles, Avx512<false>> kernel;
  return kernel;
}

}  // namespace recycling::verifier

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
