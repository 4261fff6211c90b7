// The loops over panels of int8 tiles (amx_layout.h). One source for each instruction set includes
// this file after its target pragma. Everything here is in an unnamed namespace and compiled for
// that set.
//
// The weights of a chunk are expanded once to tiles of bytes. These 32 KiB stay in the first-level
// cache while they are multiplied with all rows, 16 at a time; parts of the next weights are
// fetched meanwhile. A tile of activations is multiplied with the tiles of both halves of the
// outputs while it is in a register. One row is computed like a tile of 16 rows and so has the same
// bits.
//
// Tiles: multiplies tiles. An object configures the tiles of the thread that made it, until it is
// destroyed.
//   Zero<T>()  Load<T>(from)  Store<T>(to)   tile register T, 16 rows of 64 bytes without a gap
//   AddProducts<C, A, B>()                   C += A x B, signed bytes
// Steps: the work that does not use tiles.
//   Factors LoadFactors(from)                of 16 outputs
//   ExpandBytes(line, factors, to)           a line of p to a line of W1 at `to` and one of W0 at
//                                            to + kTileBytes
//   ExpandNibbles(line, factors, to)         likewise two lines, the second 64 bytes further
//   LargestMagnitudeBits(values)             of 64 floats
//   Quantize(values, inverse, to)            64 floats to A1 at `to` and A0 at to + kTileBytes
//   AddChunk(products, scales, row_scales, rows, sums)
//     products: [half][sums of W1 A1, the other sums][16 rows][16]; sums [rows, 32] of the header
#ifndef RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "verifier/kernels/amx_layout.h"

namespace recycling::verifier {
namespace {

// Expands blocks of packed weights to tiles.
template <class Steps, TensorType kType>
struct AmxBlocks {
  static constexpr bool kExpanded = PanelFormat(kType) == InputFormat::kFloat;
  static constexpr std::size_t kColumns = AmxBlockColumns(kType);
  static constexpr std::size_t kBytes = AmxBlockBytes(kType);

  // `to` is the block's first line in a tile.
  static void Expand(const std::byte* block, std::byte* to) {
    const std::byte* line = block + kAmxFactorBytes;
    for (std::size_t half = 0; half < 2; ++half, to += kAmxHalfBytes) {
      const auto factors = Steps::LoadFactors(block + half * kAmxFactorBytes / 2);
      if constexpr (kType == TensorType::kQ4_0) {
        for (std::size_t i = 0; i < kColumns / 8; ++i, line += 64) {
          Steps::ExpandNibbles(line, factors, to + i * 128);
        }
      } else {
        for (std::size_t i = 0; i < kColumns / 4; ++i, line += 64) {
          Steps::ExpandBytes(line, factors, to + i * 64);
        }
      }
    }
  }
};

// Prefetches `bytes` in `parts` equal parts; each call of Fetch prefetches one.
class AmxAhead {
 public:
  AmxAhead(const std::byte* at, std::size_t bytes, std::size_t parts)
      : at_(at), left_(bytes / 64), lines_((left_ + parts - 1) / parts) {}
  void Fetch() {
    const std::size_t lines = std::min(lines_, left_);
    for (std::size_t i = 0; i < lines; ++i) __builtin_prefetch(at_ + 64 * i, 0, 2);
    at_ += 64 * lines;
    left_ -= lines;
  }

 private:
  const std::byte* at_;
  std::size_t left_;
  std::size_t lines_;
};

// Prepared inputs: tiles [row tile][64 columns][A1, A0], then scales f32 [row tile][chunk][16].
template <class Tiles, class Steps>
class AmxKernel final : public MatMulKernel {
 public:
  std::string_view name() const override { return Tiles::kName; }
  std::string_view arithmetic() const override { return kAmxArithmetic; }
  bool packs() const override { return true; }
  PackedMatrix Layout(const Matrix& w) const override { return AmxLayout(w); }
  void PackPanel(const Matrix& w, std::size_t panel, std::byte* out) const override {
    PackAmxPanel(w, panel, out);
  }
  InputFormat FormatFor(TensorType) const override { return InputFormat::kInteger; }

  std::size_t InputBytes(InputFormat format, std::size_t rows, std::size_t columns) const override {
    if (format == InputFormat::kFloat) return 0;
    return RowTiles(rows) *
           (AmxTiles(columns) * 2 * kTileBytes + AmxChunks(columns) * kTileRows * sizeof(float));
  }

  void PrepareRow(InputFormat, const float* values, std::size_t columns, std::size_t row,
                  std::size_t rows, std::byte* inputs) const override {
    const std::size_t tiles = AmxTiles(columns);
    std::byte* to = inputs + row / kTileRows * tiles * 2 * kTileBytes + row % kTileRows * 64;
    std::byte* scales = inputs + RowTiles(rows) * tiles * 2 * kTileBytes;
    for (std::size_t chunk = 0; chunk < AmxChunks(columns); ++chunk) {
      alignas(64) float block[kAmxChunkColumns];
      const std::size_t first = chunk * kAmxChunkColumns;
      const std::size_t count = std::min(kAmxChunkColumns, columns - first);
      const std::size_t padded = AmxTiles(count) * kTileColumns;
      std::memcpy(block, values + first, count * sizeof(float));
      std::fill(block + count, block + padded, 0.0F);
      std::uint32_t largest = 0;
      for (std::size_t c = 0; c < padded; c += kTileColumns) {
        largest = std::max(largest, Steps::LargestMagnitudeBits(block + c));
      }
      const InputScale scale = ScaleOf(largest, kAmxLevels);
      for (std::size_t c = 0; c < padded; c += kTileColumns, to += 2 * kTileBytes) {
        Steps::Quantize(block + c, scale.inverse, to);
      }
      const std::size_t place =
          (row / kTileRows * AmxChunks(columns) + chunk) * kTileRows + row % kTileRows;
      std::memcpy(scales + place * sizeof(float), &scale.scale, sizeof(float));
    }
  }

  std::size_t ScratchBytes(std::size_t rows, std::size_t) const override {
    return kExpandedBytes + kProductBytes + rows * kPanelOutputs * sizeof(float);
  }

  void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end, const std::byte* inputs,
                std::size_t rows, bool add, float* out, std::byte* scratch) const override {
    const Task task = {w,
                       inputs,
                       rows,
                       scratch,
                       reinterpret_cast<std::int32_t*>(scratch + kExpandedBytes),
                       reinterpret_cast<float*>(scratch + kExpandedBytes + kProductBytes)};
    Tiles tiles;
    for (std::size_t panel = begin; panel < end; ++panel) {
      std::memset(task.sums, 0, rows * kPanelOutputs * sizeof(float));
      const std::byte* data = w.data + panel * w.panel_bytes;
      switch (w.type) {
        case TensorType::kQ8_0:
          AddPanel<AmxBlocks<Steps, TensorType::kQ8_0>>(tiles, task, data);
          break;
        case TensorType::kQ4_0:
          AddPanel<AmxBlocks<Steps, TensorType::kQ4_0>>(tiles, task, data);
          break;
        case TensorType::kQ6_K:
          AddPanel<AmxBlocks<Steps, TensorType::kQ6_K>>(tiles, task, data);
          break;
        case TensorType::kF16:
        case TensorType::kBF16:
        case TensorType::kF32:  // packed in the same way
          AddPanel<AmxBlocks<Steps, TensorType::kF32>>(tiles, task, data);
          break;
      }
      StoreSums(task.sums, rows, w.rows, panel, add, out);
    }
  }

 private:
  static constexpr std::size_t kExpandedBytes = kAmxChunkTiles * kAmxGroupBytes;
  static constexpr std::size_t kProductBytes = 4 * kTileBytes;

  struct Task {
    const PackedMatrix& w;
    const std::byte* inputs;
    std::size_t rows;
    std::byte* expanded;     // [64 columns][half][W1, W0] tiles
    std::int32_t* products;  // of one row tile
    float* sums;             // [rows, 32]
  };

  static std::size_t RowTiles(std::size_t rows) { return (rows + kTileRows - 1) / kTileRows; }

  template <class Blocks>
  static void AddPanel(Tiles& tiles, const Task& task, const std::byte* data) {
    const std::size_t all = AmxTiles(task.w.columns);
    const std::size_t chunks = AmxChunks(task.w.columns);
    const std::size_t row_tiles = RowTiles(task.rows);
    const auto* row_scales =
        reinterpret_cast<const float*>(task.inputs + row_tiles * all * 2 * kTileBytes);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
      const std::size_t first = chunk * kAmxChunkTiles;
      const std::size_t count = std::min(kAmxChunkTiles, all - first);
      const std::size_t blocks = Blocks::kExpanded ? 0 : count * kTileColumns / Blocks::kColumns;
      const auto* scales = reinterpret_cast<const float*>(data);
      const std::byte* weights = data + kAmxScaleBytes;
      const std::size_t bytes =
          kAmxScaleBytes + count * kTileColumns / Blocks::kColumns * Blocks::kBytes;
      data += bytes;
      AmxAhead ahead(data, bytes, blocks + row_tiles * count);
      if constexpr (!Blocks::kExpanded) {
        for (std::size_t b = 0; b < blocks; ++b) {
          ahead.Fetch();
          const std::size_t column = b * Blocks::kColumns;
          Blocks::Expand(weights + b * Blocks::kBytes, task.expanded +
                                                           column / kTileColumns * kAmxGroupBytes +
                                                           column % kTileColumns / 4 * 64);
        }
        weights = task.expanded;
      }
      for (std::size_t tile = 0; tile < row_tiles; ++tile) {
        const std::byte* input = task.inputs + (tile * all + first) * 2 * kTileBytes;
        MultiplyTile(tiles, weights, input, count, ahead, task.products);
        Steps::AddChunk(task.products, scales, row_scales + (tile * chunks + chunk) * kTileRows,
                        std::min(kTileRows, task.rows - tile * kTileRows),
                        task.sums + tile * kTileRows * kPanelOutputs);
      }
    }
  }

  // `count` x 64 columns of 16 rows and 32 outputs. Registers 0 to 3 hold the sums of the products
  // as they are stored, 4 and 5 the inputs' A1 and A0, 6 and 7 weights.
  static void MultiplyTile(Tiles& tiles, const std::byte* weights, const std::byte* input,
                           std::size_t count, AmxAhead& ahead, std::int32_t* products) {
    tiles.template Zero<0>();
    tiles.template Zero<1>();
    tiles.template Zero<2>();
    tiles.template Zero<3>();
    for (std::size_t k = 0; k < count; ++k, input += 2 * kTileBytes, weights += kAmxGroupBytes) {
      ahead.Fetch();
      tiles.template Load<4>(input);
      tiles.template Load<5>(input + kTileBytes);
      tiles.template Load<6>(weights);
      tiles.template Load<7>(weights + kTileBytes);
      tiles.template AddProducts<0, 4, 6>();
      tiles.template AddProducts<1, 5, 6>();
      tiles.template Load<6>(weights + kAmxHalfBytes);
      tiles.template AddProducts<2, 4, 6>();
      tiles.template AddProducts<1, 4, 7>();
      tiles.template AddProducts<3, 5, 6>();
      tiles.template Load<7>(weights + kAmxHalfBytes + kTileBytes);
      tiles.template AddProducts<3, 4, 7>();
    }
    constexpr std::size_t kValues = kTileBytes / sizeof(std::int32_t);
    tiles.template Store<0>(products);
    tiles.template Store<1>(products + kValues);
    tiles.template Store<2>(products + 2 * kValues);
    tiles.template Store<3>(products + 3 * kValues);
  }
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_AMX_KERNEL_H_
