// Computes the products of packed_format.h with AMX tiles of signed bytes. Each source that has a
// Tiles class includes this file after its target pragma. Everything here is in an unnamed
// namespace, so each of these sources compiles its own copy.
//
// A block of Q8_0 weights in memory holds two tiles side by side, one for each half of the 32
// outputs. A tile has 8 rows of 4 columns x 16 outputs. Other formats are first unpacked to such
// blocks, a chunk at a time. The kernel multiplies a tile of 16 rows of activations with a tile of
// weights and stores the integer sums to memory. Vector code loads the sums, scales and adds them.
// The kernel issues each tile product two steps before vector code uses its sums. A ring of four
// buffers holds the sums in the meantime. So tile products and vector code run at the same time.
// All tiles of rows use a chunk of weights while the next chunk is prefetched.
//
// The template parameter Tiles is a class that multiplies tiles. While a Tiles object exists, the
// tile registers of the thread that constructed it are configured.
//   explicit Tiles(int columns)               columns of a product, 16 or 32
//   Zero<T>()
//   LoadInputs<T>(from)                       16 rows of `columns` bytes, 32 apart
//   LoadWeights<T>(from)                      columns / 4 rows of 64 bytes, kRowBytes apart
//   AddProducts<C, A, B>()                    C += A x B, signed bytes
//   Store<T>(to)                              16 rows of 16 sums, without a gap
#ifndef RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "verifier/kernels/panel_kernel.h"
#include "verifier/kernels/unroll.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kTileRows = 16;
constexpr std::size_t kTileOutputs = 16;
constexpr std::size_t kTileSums = kTileRows * kTileOutputs;

// The prepared activations of a tile of 16 rows, for one chunk of columns. packed_format.h defines
// the letters.
//   bytes  [8 blocks][16 rows][32]   a, zero past the last row
//   float  [8][16]                   2^e
//   float  [8][parts][16]            t 2^e
//   float  [16]                      s
template <int kParts>
struct TileRecord {
  static constexpr std::size_t kPowers = kTileRows * kChunkColumns;
  static constexpr std::size_t kScaledSums = kPowers + 4 * kChunkBlocks * kTileRows;
  static constexpr std::size_t kScales = kScaledSums + 4 * kChunkBlocks * kParts * kTileRows;
  static constexpr std::size_t kBytes = kScales + 4 * kTileRows;
};

// A chunk of weights, unpacked for the loops. The bytes of block b begin at values + b *
// block_bytes, in rows of kRowBytes. Scales and minima are [8][parts][32].
struct TileChunk {
  const std::byte* values;
  std::size_t block_bytes;
  const float* scales;
  const float* minima;
};

template <class Tiles, class Isa>
class AmxKernel final : public MatMulKernel {
 public:
  std::string_view name() const override { return Tiles::kName; }
  std::string_view arithmetic() const override { return kPanelArithmetic; }
  bool packs() const override { return true; }
  PackedMatrix Layout(const Matrix& w) const override { return PanelLayout(w); }
  void PackPanel(const Matrix& w, std::size_t panel, std::byte* out) const override {
    verifier::PackPanel(w, panel, out);
  }
  InputFormat FormatFor(TensorType type) const override { return PanelFormat(type); }

  std::size_t InputBytes(InputFormat format, std::size_t rows, std::size_t columns) const override {
    if (format == InputFormat::kFloat) return floats_.InputBytes(format, rows, columns);
    const std::size_t record =
        format == InputFormat::kIntegers32 ? TileRecord<1>::kBytes : TileRecord<2>::kBytes;
    return RowTiles(rows) * Chunks(columns) * record;
  }

  void PrepareRow(InputFormat format, const float* values, std::size_t columns, std::size_t row,
                  std::size_t rows, std::byte* inputs) const override {
    switch (format) {
      case InputFormat::kFloat:
        return floats_.PrepareRow(format, values, columns, row, rows, inputs);
      case InputFormat::kIntegers32:
        return Prepare<1>(values, columns, row, rows, inputs);
      case InputFormat::kIntegers16:
        return Prepare<2>(values, columns, row, rows, inputs);
    }
  }

  std::size_t ScratchBytes(std::size_t rows, std::size_t columns) const override {
    return std::max(kScratch + RowTiles(rows) * kTileRows * kPanelOutputs * sizeof(float),
                    floats_.ScratchBytes(rows, columns));
  }

  void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end, const std::byte* inputs,
                std::size_t rows, bool add, float* out, std::byte* scratch) const override {
    if (PanelFormat(w.type) == InputFormat::kFloat) {
      return floats_.Multiply(w, begin, end, inputs, rows, add, out, scratch);
    }
    auto* sums = reinterpret_cast<float*>(scratch + kScratch);
    WithFormat(w.type, [&]<class W>() {
      Tiles tiles(static_cast<int>(W::kScaleColumns));
      for (std::size_t panel = begin; panel < end; ++panel) {
        std::memset(sums, 0, RowTiles(rows) * kTileRows * kPanelOutputs * sizeof(float));
        AddPanel<W>(tiles, w.data + panel * w.panel_bytes, w, inputs, rows, scratch, sums);
        StoreSums(sums, rows, w.rows, panel, add, out);
      }
    });
  }

 private:
  static constexpr std::size_t kFloats =
      4 * kPanelOutputs * kChunkBlocks * 2;  // bytes of a chunk's scales
  static constexpr std::size_t kRing = 4 * kTileSums * sizeof(std::int32_t);
  static constexpr std::size_t kScratch = kRing + kChunkBlocks * kByteValues + 2 * kFloats;

  static std::size_t RowTiles(std::size_t rows) { return (rows + kTileRows - 1) / kTileRows; }

  // Prepares row `row` of the `rows` rows of the pass. The call for the first row of a tile also
  // clears the tile's rows past the last row of the pass.
  template <int kParts>
  static void Prepare(const float* values, std::size_t columns, std::size_t row, std::size_t rows,
                      std::byte* inputs) {
    using At = TileRecord<kParts>;
    const std::size_t tile = row / kTileRows;
    const std::size_t in_tile = row % kTileRows;
    const std::size_t missing = in_tile == 0 ? kTileRows - std::min(kTileRows, rows - row) : 0;
    for (std::size_t c = 0; c < columns; c += kChunkColumns) {
      std::byte* record = inputs + (c / kChunkColumns * RowTiles(rows) + tile) * At::kBytes;
      const auto put = [&](std::size_t at, std::size_t i, float value) {
        std::memcpy(record + at + (i * kTileRows + in_tile) * 4, &value, 4);
      };
      const std::size_t blocks = std::min(kChunkBlocks, (columns - c) / kBlockColumns);
      if (missing > 0) ClearRows<kParts>(record, blocks, kTileRows - missing);
      RoundChunk<Isa>(
          values + c, blocks,
          [&](std::size_t b, const std::int8_t* a, int exponent) {
            std::memcpy(record + (b * kTileRows + in_tile) * kBlockColumns, a, kBlockColumns);
            put(At::kPowers, b, PowerOfTwo(exponent));
            for (int part = 0; part < kParts; ++part) {
              put(At::kScaledSums, b * kParts + static_cast<std::size_t>(part),
                  static_cast<float>(SumOf(a, part, kParts) * (1 << exponent)));
            }
          },
          [&](float scale) { put(At::kScales, 0, scale); });
    }
  }

  template <int kParts>
  static void ClearRows(std::byte* record, std::size_t blocks, std::size_t first) {
    using At = TileRecord<kParts>;
    const auto clear = [&](std::size_t at, std::size_t count, std::size_t width) {
      for (std::size_t i = 0; i < count; ++i) {
        std::memset(record + at + (i * kTileRows + first) * width, 0, (kTileRows - first) * width);
      }
    };
    clear(0, blocks, kBlockColumns);
    clear(At::kPowers, blocks, 4);
    clear(At::kScaledSums, blocks * kParts, 4);
    clear(At::kScales, 1, 4);
  }

  template <class W>
  static void AddPanel(Tiles& tiles, const std::byte* data, const PackedMatrix& w,
                       const std::byte* inputs, std::size_t rows, std::byte* scratch, float* sums) {
    constexpr int kParts = kPartsOf<W>;
    constexpr std::size_t kChunkBytes = W::kHeaderBytes + kChunkBlocks * W::kBlockBytes;
    const std::size_t all = Blocks(w.columns);
    const std::size_t row_tiles = RowTiles(rows);
    for (std::size_t chunk = 0; chunk * kChunkBlocks < all; ++chunk, data += kChunkBytes) {
      const std::size_t blocks = std::min(kChunkBlocks, all - chunk * kChunkBlocks);
      const TileChunk weights = Unpack<W>(data, blocks, scratch + kRing);
      const std::byte* ahead = data + kChunkBytes;
      const std::size_t lines = kChunkBytes / 64 / row_tiles + 1;
      for (std::size_t tile = 0; tile < row_tiles; ++tile, ahead += lines * 64) {
        const std::byte* record = inputs + (chunk * row_tiles + tile) * TileRecord<kParts>::kBytes;
        const std::size_t tile_rows = std::min(kTileRows, rows - tile * kTileRows);
        // The loop is compiled for even numbers of rows only, to keep the code small.
        WithPairs((tile_rows + 1) / 2, [&]<int kPairs>() {
          AddTile<kParts, W::kHasMinimum, 2 * kPairs>(tiles, weights, blocks, record, ahead, lines,
                                                      reinterpret_cast<std::int32_t*>(scratch),
                                                      sums + tile * kTileRows * kPanelOutputs);
        });
      }
    }
  }

  template <typename F>
  static void WithPairs(std::size_t pairs, F run) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (void)((pairs == I + 1 && (run.template operator()<static_cast<int>(I + 1)>(), true)) || ...);
    }
    (std::make_index_sequence<kTileRows / 2>());
  }

  // The bytes of Q8_0 are used in place. Values of other formats are unpacked to `to`. Scales and
  // minima of all formats go to `to`.
  template <class W>
  static TileChunk Unpack(const std::byte* chunk, std::size_t blocks, std::byte* to) {
    constexpr int kParts = kPartsOf<W>;
    constexpr bool kInPlace = W::kType == TensorType::kQ8_0;
    auto* scales = reinterpret_cast<float*>(to + kChunkBlocks * kByteValues);
    float* minima = scales + kFloats / sizeof(float);
    const std::byte* block = chunk + W::kHeaderBytes;
    for (std::size_t b = 0; b < blocks; ++b, block += W::kBlockBytes) {
      if constexpr (!kInPlace) UnpackValues<Isa, W, true>(block, to + b * kByteValues);
      const std::size_t at = b * kParts * kPanelOutputs;
      UnpackScales<Isa, W>(chunk, block, scales + at, minima + at);
    }
    if constexpr (kInPlace) return {chunk + kHalves, W::kBlockBytes, scales, minima};
    return {to, kByteValues, scales, minima};
  }

  // Issues the tile product of step j, for block j / kParts and half `half` of the outputs, and
  // stores the sums of step j - 1. kSlot is j % 4, which chooses the registers: sums 0 to 3, inputs
  // 4 and 5, weights 6 and 7.
  template <int kParts, int kSlot>
  RECYCLING_INLINE static void Issue(Tiles& tiles, const TileChunk& w, const std::byte* record,
                                     std::size_t half, std::size_t j, std::int32_t* ring) {
    constexpr int kA = 4 + kSlot % 2;
    constexpr int kB = 6 + kSlot % 2;
    constexpr int kBefore = (kSlot + 3) % 4;
    constexpr std::size_t kPart = kSlot % kParts;  // j % kParts, because kParts divides 4
    constexpr std::size_t kColumns = kBlockColumns / kParts;
    const std::size_t block = j / kParts;
    tiles.template LoadInputs<kA>(record + block * kTileRows * kBlockColumns + kPart * kColumns);
    tiles.template LoadWeights<kB>(w.values + block * w.block_bytes +
                                   kPart * (kColumns / 4) * kRowBytes + half * 64);
    tiles.template Zero<kSlot>();
    tiles.template AddProducts<kSlot, kA, kB>();
    if (j > 0) tiles.template Store<kBefore>(ring + kBefore * kTileSums);
  }

  template <int kParts, bool kMinima, int kRows>
  __attribute__((noinline)) static void AddTile(Tiles& tiles, const TileChunk& w,
                                                std::size_t blocks, const std::byte* record,
                                                const std::byte* ahead, std::size_t lines,
                                                std::int32_t* ring, float* sums) {
    using At = TileRecord<kParts>;
    using Float = typename Isa::Float;
    constexpr int kVectors = static_cast<int>(kTileOutputs / Isa::kOutputs);
    const std::size_t steps = blocks * kParts;
    for (std::size_t half = 0; half < 2; ++half) {
      Float f[kRows][kVectors];
      Unroll<kRows>([&](auto r) RECYCLING_INLINE {
        Unroll<kVectors>([&](auto v) RECYCLING_INLINE { f[r][v] = Isa::ZeroFloat(); });
      });
      Issue<kParts, 0>(tiles, w, record, half, 0, ring);
      if (steps > 1) Issue<kParts, 1>(tiles, w, record, half, 1, ring);
      // Step j uses slot j % 4 of the ring, so four steps are one turn of the loop.
      const auto step = [&](auto slot, std::size_t j) RECYCLING_INLINE {
        if (j + 2 < steps) Issue<kParts, (slot + 2) % 4>(tiles, w, record, half, j + 2, ring);
        // Issue stores the sums of the step before. No Issue follows the last step.
        if (j + 1 == steps) tiles.template Store<slot>(ring + slot * kTileSums);
        if constexpr (slot % 2 == 0) {
          if (lines > 0) {
            __builtin_prefetch(ahead, 0, 2);
            ahead += 64;
            --lines;
          }
        }
        const std::int32_t* product = ring + slot * kTileSums;
        const float* scale = w.scales + j * kPanelOutputs + half * kTileOutputs;
        const std::byte* powers = record + At::kPowers + j / kParts * kTileRows * 4;
        Float d[kVectors];
        Unroll<kVectors>([&](auto v)
                             RECYCLING_INLINE { d[v] = Isa::Load(scale + v * Isa::kOutputs); });
        Unroll<kRows>([&](auto r) RECYCLING_INLINE {
          const Float power = Isa::BroadcastFloat(powers + r * 4);
          Unroll<kVectors>([&](auto v) RECYCLING_INLINE {
            const auto i = Isa::LoadInt(product + r * kTileOutputs + v * Isa::kOutputs);
            f[r][v] = Isa::Fma(Isa::ToFloat(i), Isa::Mul(d[v], power), f[r][v]);
          });
        });
        if constexpr (kMinima) {
          const float* minimum = w.minima + j * kPanelOutputs + half * kTileOutputs;
          const std::byte* scaled = record + At::kScaledSums + j * kTileRows * 4;
          Float m[kVectors];
          Unroll<kVectors>([&](auto v)
                               RECYCLING_INLINE { m[v] = Isa::Load(minimum + v * Isa::kOutputs); });
          Unroll<kRows>([&](auto r) RECYCLING_INLINE {
            const Float t = Isa::BroadcastFloat(scaled + r * 4);
            Unroll<kVectors>([&](auto v)
                                 RECYCLING_INLINE { f[r][v] = Isa::MinusFma(t, m[v], f[r][v]); });
          });
        }
      };
      for (std::size_t j = 0; j < steps; j += 4) {
        Unroll<4>([&](auto slot) RECYCLING_INLINE {
          if (j + slot < steps) step(slot, j + slot);
        });
      }
      Unroll<kRows>([&](auto r) RECYCLING_INLINE {
        const Float s = Isa::BroadcastFloat(record + At::kScales + r * 4);
        Unroll<kVectors>([&](auto v) RECYCLING_INLINE {
          float* sum = sums + r * kPanelOutputs + half * kTileOutputs + v * Isa::kOutputs;
          Isa::Store(sum, Isa::Fma(f[r][v], s, Isa::Load(sum)));
        });
      });
    }
  }

  const PanelKernel<Isa> floats_{};  // for F32, F16 and BF16, which do not use tiles
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_
