// Computes the products of packed_format.h with AMX tiles of signed bytes. Each source that has a
// Tiles class includes this file after its target pragma. Everything here is in an unnamed
// namespace, so each of these sources compiles its own copy.
//
// The kernel divides the rows of a pass into tiles. All tiles have the same number of rows. This
// number is even and at most 16. A block of Q8_0 weights in memory holds two tiles side by side,
// one for each half of the 32 outputs. A tile of weights has 8 rows of 4 columns x 16 outputs, or 4
// rows if a scale belongs to 16 columns. Other formats are first unpacked to such blocks, a chunk
// at a time. The kernel multiplies a tile of rows with a tile of weights and stores the integer
// sums to memory. Vector code loads the sums, scales and adds them.
//
// A step uses the sums of one tile product. The kernel issues each tile product two steps earlier,
// so that tile products and vector code run at the same time. A ring of four buffers holds the sums
// in the meantime. The last two steps of a tile issue the first two products of what comes next:
// the other half of the outputs, the next tile of rows, or the next chunk. Each panel starts the
// ring anew. All tiles of rows use a chunk of weights while the chunk after the next is prefetched.
//
// The template parameter Tiles is a class that multiplies tiles. While a Tiles object exists, the
// tile registers of the thread that constructed it are configured. The constructor sets them to
// zero, because the first Issue stores one that nothing has written.
//   Tiles(int columns, int rows)              columns of a product, 16 or 32; rows of inputs and
//                                             sums, at most 16
//   Zero<T>()
//   LoadInputs<T>(from)                       `rows` rows of `columns` bytes, 32 apart
//   LoadWeights<T>(from)                      columns / 4 rows of 64 bytes, kRowBytes apart
//   AddProducts<C, A, B>()                    C += A x B, signed bytes
//   Store<T>(to)                              `rows` rows of 16 sums, without a gap
//   kTurnSteps                                tile products in one turn of the loop, 4 or 8; with
//                                             8 the kernel is faster and compiles more slowly
#ifndef RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "verifier/kernels/panel_kernel.h"
#include "verifier/kernels/unroll.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kMaxTileRows = 16;
constexpr std::size_t kTileOutputs = 16;
constexpr std::size_t kTileSums = kMaxTileRows * kTileOutputs;
constexpr int kRingSlots = 4;

// How the rows of a pass are divided into tiles. The tiles have room for at least all rows. There
// must be at least one row.
struct RowTiles {
  explicit RowTiles(std::size_t rows)
      : count((rows + kMaxTileRows - 1) / kMaxTileRows),
        height(((rows + count - 1) / count + 1) / 2 * 2) {}
  std::size_t count;
  std::size_t height;  // rows of a tile; even, because the loops are compiled for even heights
};

// The prepared activations of a tile of `height` rows, for one chunk of columns. packed_format.h
// defines the letters. Rows and blocks past the last ones are zero.
//   bytes  [8 blocks][height][32]       a
//   float  [8][height]                  2^e
//   float  [8][parts][height]           t 2^e
//   float  [height]                     s
template <int kParts>
struct TileRecord {
  explicit constexpr TileRecord(std::size_t height)
      : powers(height * kChunkColumns),
        scaled_sums(powers + 4 * kChunkBlocks * height),
        scales(scaled_sums + 4 * kChunkBlocks * kParts * height),
        bytes((scales + 4 * height + 63) / 64 * 64) {}
  std::size_t powers;  // where each part begins
  std::size_t scaled_sums;
  std::size_t scales;
  std::size_t bytes;
};

// A chunk of weights, as the loops read it. The bytes of block b begin at values + b * block_bytes,
// in rows of kRowBytes. Scales are 32 float16 numbers at scales + b * block_bytes if the chunk is
// used in place, and [8][parts][32] floats otherwise. Minima are [8][parts][32].
struct TileChunk {
  const std::byte* values;
  std::size_t block_bytes;
  const std::byte* scales;
  const float* minima;
};

// The operands of a tile product. InputsAt and WeightsAt tell where those of the next products are,
// counted from these.
struct Operands {
  const std::byte* inputs;
  const std::byte* weights;
  std::size_t block_bytes;  // of the weights
};

// Cache lines to prefetch during a tile of rows, `lines` in each step.
struct Prefetch {
  const std::byte* from;
  std::size_t lines;
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
    const RowTiles row_tiles(rows);
    const std::size_t record = format == InputFormat::kIntegers32
                                   ? TileRecord<1>(row_tiles.height).bytes
                                   : TileRecord<2>(row_tiles.height).bytes;
    return row_tiles.count * Chunks(columns) * record;
  }

  void Prepare(InputFormat format, const float* values, const InputPart& part,
               std::byte* inputs) const override {
    switch (format) {
      case InputFormat::kFloat:
        return floats_.Prepare(format, values, part, inputs);
      case InputFormat::kIntegers32:
        return PrepareIntegers<1>(values, part, inputs);
      case InputFormat::kIntegers16:
        return PrepareIntegers<2>(values, part, inputs);
    }
  }

  std::size_t ScratchBytes(std::size_t rows, std::size_t columns) const override {
    const RowTiles row_tiles(rows);
    return std::max(kScratch + row_tiles.count * kMaxTileRows * kPanelOutputs * sizeof(float),
                    floats_.ScratchBytes(rows, columns));
  }

  void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end, const std::byte* inputs,
                std::size_t rows, bool add, float* out, std::byte* scratch) const override {
    if (PanelFormat(w.type) == InputFormat::kFloat) {
      return floats_.Multiply(w, begin, end, inputs, rows, add, out, scratch);
    }
    const RowTiles row_tiles(rows);
    auto* sums = reinterpret_cast<float*>(scratch + kScratch);
    WithFormat(w.type, [&]<class W>() {
      Tiles tiles(static_cast<int>(W::kScaleColumns), static_cast<int>(row_tiles.height));
      for (std::size_t panel = begin; panel < end; ++panel) {
        FetchOutput(rows, w.rows, panel, out);
        AddPanel<W>(tiles, w.data + panel * w.panel_bytes, w.columns, inputs, row_tiles, scratch,
                    sums);
        StoreSums(sums, rows, w.rows, panel, add, out);
      }
    });
  }

 private:
  static constexpr std::size_t kFloats =
      4 * kPanelOutputs * kChunkBlocks * 2;  // bytes of a chunk's scales
  static constexpr int kTurnSteps = Tiles::kTurnSteps;
  static_assert(kTurnSteps % kRingSlots == 0 && kChunkBlocks % kTurnSteps == 0);
  static constexpr std::size_t kRing = kRingSlots * kTileSums * sizeof(std::int32_t);
  static constexpr std::size_t kUnpacked = kChunkBlocks * kByteValues + 2 * kFloats;
  static constexpr std::size_t kScratch = kRing + 2 * kUnpacked;

  static constexpr float kZeros[kMaxTileRows * kPanelOutputs] = {};

  // Prefetches the lines that StoreSums writes. They are often in the cache of another core.
  static void FetchOutput(std::size_t rows, std::size_t outputs, std::size_t panel, float* out) {
    float* at = out + panel * kPanelOutputs;
    for (std::size_t r = 0; r < rows; ++r, at += outputs) {
      __builtin_prefetch(at, 1);
      __builtin_prefetch(at + kTileOutputs, 1);
    }
  }

  // Whether whole chunks of the packed format W are used in place.
  template <class W>
  static constexpr bool kInPlace = W::kType == TensorType::kQ8_0;

  // Prepares a part of a row, and clears the blocks past the last one of its chunks. The call for
  // the last row of the pass also clears the rows of its tile that follow.
  template <int kParts>
  static void PrepareIntegers(const float* values, const InputPart& input, std::byte* inputs) {
    const RowTiles row_tiles(input.rows);
    const std::size_t height = row_tiles.height;
    const TileRecord<kParts> at(height);
    const std::size_t in_tile = input.row % height;
    for (std::size_t c = input.begin; c < input.end; c += kChunkColumns) {
      std::byte* record =
          inputs + (c / kChunkColumns * row_tiles.count + input.row / height) * at.bytes;
      const auto put = [&](std::size_t begin, std::size_t i, float value) {
        std::memcpy(record + begin + (i * height + in_tile) * 4, &value, 4);
      };
      const std::size_t blocks = std::min(kChunkBlocks, (input.end - c) / kBlockColumns);
      if (blocks < kChunkBlocks) Clear<kParts>(record, height, blocks, in_tile, in_tile + 1);
      if (input.row + 1 == input.rows) Clear<kParts>(record, height, 0, in_tile + 1, height);
      RoundChunk<Isa>(
          values + c, blocks,
          [&](std::size_t b, const std::int8_t* a, int exponent) {
            std::memcpy(record + (b * height + in_tile) * kBlockColumns, a, kBlockColumns);
            put(at.powers, b, PowerOfTwo(exponent));
            for (int part = 0; part < kParts; ++part) {
              put(at.scaled_sums, b * kParts + static_cast<std::size_t>(part),
                  static_cast<float>(SumOf(a, part, kParts) * (1 << exponent)));
            }
          },
          [&](float scale) { put(at.scales, 0, scale); });
    }
  }

  // Clears rows [row, row_end) of the blocks from `block` on, and the scales of these rows.
  template <int kParts>
  static void Clear(std::byte* record, std::size_t height, std::size_t block, std::size_t row,
                    std::size_t row_end) {
    const TileRecord<kParts> at(height);
    const auto clear = [&](std::size_t begin, std::size_t i, std::size_t width) {
      std::memset(record + begin + (i * height + row) * width, 0, (row_end - row) * width);
    };
    for (std::size_t b = block; b < kChunkBlocks; ++b) {
      clear(0, b, kBlockColumns);
      clear(at.powers, b, 4);
      for (std::size_t part = 0; part < kParts; ++part) clear(at.scaled_sums, b * kParts + part, 4);
    }
    clear(at.scales, 0, 4);
  }

  // Sets `sums` to `before` plus the products of a chunk of weights and a tile of rows. For each
  // half of the outputs, the loop makes `turns` turns. The first two tile products must be issued
  // already. The last two steps issue those of `next`.
  using AddTileFunction = void (*)(Tiles& tiles, const TileChunk& w, std::size_t turns,
                                   const std::byte* record, const Operands& next, Prefetch prefetch,
                                   std::int32_t* ring, const float* before, float* sums);

  // Sets `sums` to the products of a panel and all tiles of rows.
  template <class W>
  static void AddPanel(Tiles& tiles, const std::byte* data, std::size_t columns,
                       const std::byte* inputs, const RowTiles& row_tiles, std::byte* scratch,
                       float* sums) {
    constexpr int kParts = kPartsOf<W>;
    constexpr std::size_t kChunkBytes = W::kHeaderBytes + kChunkBlocks * W::kBlockBytes;
    const AddTileFunction add_whole =
        AddTileFor<kParts, W::kHasMinimum, kInPlace<W>>(row_tiles.height);
    const AddTileFunction add_short = AddTileFor<kParts, W::kHasMinimum, false>(row_tiles.height);
    const std::size_t record_bytes = TileRecord<kParts>(row_tiles.height).bytes;
    auto* ring = reinterpret_cast<std::int32_t*>(scratch);
    std::byte* const unpacked = scratch + kRing;
    // The steps of a chunk together prefetch a chunk.
    const std::size_t steps = 2 * kChunkBlocks * kParts;
    const std::size_t lines = (kChunkBytes / 64 - 1) / (steps * row_tiles.count) + 1;

    const std::size_t all = Blocks(columns);
    const std::size_t chunks = Chunks(columns);
    const std::byte* record = inputs;
    TileChunk weights = Unpack<W>(data, std::min(all, kChunkBlocks), unpacked);
    IssueFirst<kParts>(tiles, {record, weights.values, weights.block_bytes}, row_tiles.height,
                       ring);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk, data += kChunkBytes) {
      const std::size_t left = all - chunk * kChunkBlocks;
      const std::size_t turns =
          (std::min(left, kChunkBlocks) * kParts + kTurnSteps - 1) / kTurnSteps;
      const std::byte* ahead = data + 2 * kChunkBytes;
      TileChunk after = weights;
      for (std::size_t tile = 0; tile < row_tiles.count; ++tile) {
        const std::byte* next_record = record + record_bytes;
        if (tile + 1 == row_tiles.count) {
          if (chunk + 1 < chunks) {
            after = Unpack<W>(data + kChunkBytes, std::min(left - kChunkBlocks, kChunkBlocks),
                              unpacked + (chunk + 1) % 2 * kUnpacked);
          } else {
            next_record = record;  // these products are not used
          }
        }
        float* const to = sums + tile * row_tiles.height * kPanelOutputs;
        (left < kChunkBlocks ? add_short : add_whole)(
            tiles, weights, turns, record, {next_record, after.values, after.block_bytes},
            {ahead, ahead < data + 3 * kChunkBytes ? lines : 0}, ring, chunk == 0 ? kZeros : to,
            to);
        record = next_record;
        ahead += steps * lines * 64;
      }
      weights = after;
    }
  }

  // Unpacks a chunk of `blocks` blocks to `to`, unless it is used in place. Blocks past the last
  // one are zero.
  template <class W>
  static TileChunk Unpack(const std::byte* chunk, std::size_t blocks, std::byte* to) {
    constexpr int kParts = kPartsOf<W>;
    auto* scales = reinterpret_cast<float*>(to + kChunkBlocks * kByteValues);
    float* minima = scales + kFloats / sizeof(float);
    const std::byte* block = chunk + W::kHeaderBytes;
    if (kInPlace<W> && blocks == kChunkBlocks) {
      return {block + kHalves, W::kBlockBytes, block, minima};
    }
    if (blocks < kChunkBlocks) std::memset(to, 0, kUnpacked);
    for (std::size_t b = 0; b < blocks; ++b, block += W::kBlockBytes) {
      UnpackValues<Isa, W, true>(block, to + b * kByteValues);
      const std::size_t at = b * kParts * kPanelOutputs;
      UnpackScales<Isa, W>(chunk, block, scales + at, minima + at);
    }
    return {to, kByteValues, to + kChunkBlocks * kByteValues, minima};
  }

  // Bytes from the operands of the first step of a turn to those of step `step`.
  template <int kParts>
  static constexpr std::size_t InputsAt(std::size_t step, std::size_t height) {
    return step / kParts * height * kBlockColumns + step % kParts * (kBlockColumns / kParts);
  }
  template <int kParts>
  static constexpr std::size_t WeightsAt(std::size_t step, std::size_t block_bytes) {
    return step / kParts * block_bytes + step % kParts * (kByteValues / kParts);
  }

  // Issues the tile product of slot kSlot of the ring, and stores the sums of the slot before.
  // Registers: sums 0 to 3, inputs 4 and 5, weights 6 and 7.
  template <int kSlot>
  RECYCLING_INLINE static void Issue(Tiles& tiles, const std::byte* inputs,
                                     const std::byte* weights, std::int32_t* ring) {
    constexpr int kA = 4 + kSlot % 2;
    constexpr int kB = 6 + kSlot % 2;
    constexpr int kBefore = (kSlot + kRingSlots - 1) % kRingSlots;
    tiles.template LoadInputs<kA>(inputs);
    tiles.template LoadWeights<kB>(weights);
    tiles.template Zero<kSlot>();
    tiles.template AddProducts<kSlot, kA, kB>();
    tiles.template Store<kBefore>(ring + kBefore * kTileSums);
  }

  // Issues the first two tile products of a panel.
  template <int kParts>
  static void IssueFirst(Tiles& tiles, const Operands& first, std::size_t height,
                         std::int32_t* ring) {
    Issue<0>(tiles, first.inputs, first.weights, ring);
    Issue<1>(tiles, first.inputs + InputsAt<kParts>(1, height),
             first.weights + WeightsAt<kParts>(1, first.block_bytes), ring);
  }

  template <int kParts, bool kMinima, bool kPlace, int kRows>
  __attribute__((noinline)) static void AddTile(Tiles& tiles, const TileChunk& w, std::size_t turns,
                                                const std::byte* record, const Operands& next,
                                                Prefetch prefetch, std::int32_t* ring,
                                                const float* before, float* sums) {
    using Float = typename Isa::Float;
    constexpr TileRecord<kParts> kAt(kRows);
    constexpr int kVectors = static_cast<int>(kTileOutputs / Isa::kOutputs);
    const std::byte* row_scales = record + kAt.scales;
    constexpr std::size_t kFloatRow = 4 * kRows;  // bytes of one float for each row
    for (std::size_t half = 0; half < 2; ++half) {
      Float f[kRows][kVectors];
      Unroll<kRows>([&](auto r) RECYCLING_INLINE {
        Unroll<kVectors>([&](auto v) RECYCLING_INLINE { f[r][v] = Isa::ZeroFloat(); });
      });
      Operands now = {record, w.values + half * 64, w.block_bytes};
      const Operands last = half == 0 ? Operands{record, w.values + 64, w.block_bytes} : next;
      const std::size_t next_scales = kPlace ? w.block_bytes : 4 * kPanelOutputs;
      const std::byte* scales = w.scales + half * kTileOutputs * (kPlace ? 2 : 4);
      const float* minima = w.minima + half * kTileOutputs;
      const std::byte* powers = record + kAt.powers;
      const std::byte* scaled_sums = record + kAt.scaled_sums;
      for (std::size_t turn = 0; turn < turns; ++turn) {
        const Operands after =
            turn + 1 == turns
                ? last
                : Operands{now.inputs + InputsAt<kParts>(kTurnSteps, kRows),
                           now.weights + WeightsAt<kParts>(kTurnSteps, now.block_bytes),
                           now.block_bytes};
        Unroll<kTurnSteps>([&](auto step) RECYCLING_INLINE {
          constexpr int kIssued = (step + 2) % kTurnSteps;
          const Operands& issued = step < kTurnSteps - 2 ? now : after;
          Issue<kIssued % kRingSlots>(
              tiles, issued.inputs + InputsAt<kParts>(kIssued, kRows),
              issued.weights + WeightsAt<kParts>(kIssued, issued.block_bytes), ring);
          for (std::size_t line = 0; line < prefetch.lines; ++line, prefetch.from += 64) {
            __builtin_prefetch(prefetch.from, 0, 2);
          }
          const std::int32_t* product = ring + step % kRingSlots * kTileSums;
          const std::byte* power = powers + step / kParts * kFloatRow;
          Float d[kVectors];
          Unroll<kVectors>([&](auto v) RECYCLING_INLINE {
            constexpr std::size_t kFirst = v * Isa::kOutputs;
            const std::byte* scale = scales + step * next_scales;
            if constexpr (kPlace) {
              d[v] = Isa::LoadHalves(scale + kFirst * 2);
            } else {
              d[v] = Isa::LoadFloats(scale + kFirst * 4);
            }
          });
          Unroll<kRows>([&](auto r) RECYCLING_INLINE {
            const Float p = Isa::BroadcastFloat(power + r * 4);
            Unroll<kVectors>([&](auto v) RECYCLING_INLINE {
              const auto i = Isa::LoadInt(product + r * kTileOutputs + v * Isa::kOutputs);
              f[r][v] = Isa::Fma(Isa::ToFloat(i), Isa::Mul(d[v], p), f[r][v]);
            });
          });
          if constexpr (kMinima) {
            Float m[kVectors];
            Unroll<kVectors>([&](auto v) RECYCLING_INLINE {
              m[v] = Isa::Load(minima + step * kPanelOutputs + v * Isa::kOutputs);
            });
            Unroll<kRows>([&](auto r) RECYCLING_INLINE {
              const Float t = Isa::BroadcastFloat(scaled_sums + step * kFloatRow + r * 4);
              Unroll<kVectors>([&](auto v)
                                   RECYCLING_INLINE { f[r][v] = Isa::MinusFma(t, m[v], f[r][v]); });
            });
          }
        });
        now = after;
        scales += kTurnSteps * next_scales;
        minima += kTurnSteps * kPanelOutputs;
        powers += kTurnSteps / kParts * kFloatRow;
        scaled_sums += kTurnSteps * kFloatRow;
      }
      Unroll<kRows>([&](auto r) RECYCLING_INLINE {
        const Float s = Isa::BroadcastFloat(row_scales + r * 4);
        Unroll<kVectors>([&](auto v) RECYCLING_INLINE {
          const std::size_t at = r * kPanelOutputs + half * kTileOutputs + v * Isa::kOutputs;
          Isa::Store(sums + at, Isa::Fma(f[r][v], s, Isa::Load(before + at)));
        });
      });
    }
  }

  // Returns AddTile compiled for `height` rows, which is even and at most kRows.
  template <int kParts, bool kMinima, bool kPlace, int kRows = kMaxTileRows>
  static AddTileFunction AddTileFor(std::size_t height) {
    if constexpr (kRows > 2) {
      if (height < kRows) return AddTileFor<kParts, kMinima, kPlace, kRows - 2>(height);
    }
    return &AddTile<kParts, kMinima, kPlace, kRows>;
  }

  const PanelKernel<Isa> floats_{};  // for F32, F16 and BF16, which do not use tiles
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_
