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
#pragma clang attribute push(                                                               \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#endif

#include "verifier/kernels/amx_kernel.h"
#include "verifier/kernels/isa_avx512.h"

namespace recycling::verifier {
namespace {

// The operand of LDTILECFG. Tile registers 0 to 3 hold sums, 4 and 5 hold inputs, 6 and 7 hold
// weights.
struct alignas(64) TileConfig {
  explicit constexpr TileConfig(int columns) {
    for (int t = 0; t < 8; ++t) {
      row_bytes[t] = static_cast<std::uint16_t>(t == 4 || t == 5 ? columns : 64);
      rows[t] = static_cast<std::uint8_t>(t < 6 ? 16 : columns / 4);
    }
  }
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);
constexpr TileConfig kOf32Columns(32);
constexpr TileConfig kOf16Columns(16);

// Uses assembly, because the AMX intrinsics of GCC 12 do not tell the compiler that they read and
// write memory, and do not accept a template parameter as a register number. The destructor
// releases the tiles, so that the operating system need not save their 8 KiB when the thread does
// other work.
class HardwareTiles {
 public:
  static constexpr std::string_view kName = "amx";

  explicit HardwareTiles(int columns) {
    asm volatile("ldtilecfg %0" ::"m"(columns == 32 ? kOf32Columns : kOf16Columns) : "memory");
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

// Chooses between two kernels of the same arithmetic by the number of rows.
class KernelByRows final : public MatMulKernel {
 public:
  // Inputs of up to `most_of_few` rows use `few`; larger inputs use `many`.
  KernelByRows(const MatMulKernel& few, std::size_t most_of_few, const MatMulKernel& many)
      : few_(few), most_of_few_(most_of_few), many_(many) {}

  std::string_view name() const override { return many_.name(); }
  std::string_view arithmetic() const override { return many_.arithmetic(); }
  bool packs() const override { return many_.packs(); }
  PackedMatrix Layout(const Matrix& w) const override { return many_.Layout(w); }
  void PackPanel(const Matrix& w, std::size_t panel, std::byte* out) const override {
    many_.PackPanel(w, panel, out);
  }
  InputFormat FormatFor(TensorType type) const override { return many_.FormatFor(type); }
  std::size_t InputBytes(InputFormat format, std::size_t rows, std::size_t columns) const override {
    return std::max(few_.InputBytes(format, std::min(rows, most_of_few_), columns),
                    many_.InputBytes(format, rows, columns));
  }
  void PrepareRow(InputFormat format, const float* values, std::size_t columns, std::size_t row,
                  std::size_t rows, std::byte* inputs) const override {
    For(rows).PrepareRow(format, values, columns, row, rows, inputs);
  }
  std::size_t ScratchBytes(std::size_t rows, std::size_t columns) const override {
    return std::max(few_.ScratchBytes(std::min(rows, most_of_few_), columns),
                    many_.ScratchBytes(rows, columns));
  }
  void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end, const std::byte* inputs,
                std::size_t rows, bool add, float* out, std::byte* scratch) const override {
    For(rows).Multiply(w, begin, end, inputs, rows, add, out, scratch);
  }

 private:
  const MatMulKernel& For(std::size_t rows) const { return rows <= most_of_few_ ? few_ : many_; }

  const MatMulKernel& few_;
  const std::size_t most_of_few_;
  const MatMulKernel& many_;
};

}  // namespace

const MatMulKernel& AmxTileKernel() {
  static const AmxKernel<HardwareTiles, Avx512<false>> kernel;
  return kernel;
}

const MatMulKernel& AmxKernelByRows() {
  // A tile product takes the same time for 1 row as for 16. A prototype of both kernels was
  // measured on a Sapphire Rapids processor. With 4-bit weights, vectors were faster up to about 6
  // rows. With 8-bit weights, vectors were as fast as tiles for 1 row and slower for more. One
  // limit between the two is used for all formats.
  constexpr std::size_t kFewRows = 4;
  static const KernelByRows kernel(Avx512VnniKernel(), kFewRows, AmxTileKernel());
  return kernel;
}

}  // namespace recycling::verifier

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
