// The loops over packed panels, for any vector width. One source for each instruction set includes
// this file after its target pragma. Everything here is in an unnamed namespace and compiled for
// that set.
//
// A tile of rows is multiplied with two vectors of outputs at a time; the sums are in registers. If
// there are few rows, the packed weights are read directly. If there are more, a chunk of blocks at
// a time is unpacked to 16 bits and used for all rows while it is in the first-level cache.
#ifndef RECYCLING_VERIFIER_KERNELS_PANEL_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_PANEL_KERNEL_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "verifier/kernels/panel_layout.h"

namespace recycling::verifier {
namespace {

// Lambdas in the loops are always inlined, so that sums stay in registers.
#define RECYCLING_INLINE __attribute__((always_inline))

template <int N, typename F>
RECYCLING_INLINE inline void Unroll(F f) {
  [&]<int... I>(std::integer_sequence<int, I...>) RECYCLING_INLINE {
    (f(std::integral_constant<int, I>()), ...);
  }
  (std::make_integer_sequence<int, N>());
}

constexpr std::size_t kChunkBlocks = 4;  // input blocks whose weights are unpacked together
constexpr std::size_t kPrefetchBytes =
    2048;  // distance from the multiplied weights to the fetched ones

// Packed formats. kBytes and kColumns are those of a block; Scales gives the scales of outputs
// [o, o + lanes); Pair gives their column pair `pair` as 16-bit integers. kOdd: the pair is odd.
template <class Isa, std::size_t kScaleBytes, std::size_t kColumnCount>
struct Int8Weights {
  static constexpr std::size_t kColumns = kColumnCount;
  static constexpr std::size_t kBytes = kScaleBytes * kPanelOutputs + kColumns * kPanelOutputs;

  static typename Isa::Float Scales(const std::byte* block, std::size_t o) {
    if constexpr (kScaleBytes == 2) {
      return Isa::LoadHalves(block + 2 * o);
    } else {
      return Isa::LoadFloats(block + 4 * o);
    }
  }
  template <bool kOdd>
  static typename Isa::Int Pair(const std::byte* block, std::size_t pair, std::size_t o) {
    return Isa::WidenBytes(block + kScaleBytes * kPanelOutputs + pair * 64 + 2 * o);
  }
};

template <class Isa>
struct Q4Weights {
  static constexpr std::size_t kColumns = 32;
  static constexpr std::size_t kBytes = 64 + 512;

  static typename Isa::Float Scales(const std::byte* block, std::size_t o) {
    return Isa::LoadHalves(block + 2 * o);
  }
  template <bool kOdd>
  static typename Isa::Int Pair(const std::byte* block, std::size_t pair, std::size_t o) {
    return Isa::template WidenNibbles<kOdd>(block + 64 + pair / 2 * 64 + 2 * o);
  }
};

// The format to which all others are unpacked.
template <class Isa, std::size_t kColumnCount>
struct UnpackedWeights {
  static constexpr std::size_t kColumns = kColumnCount;
  static constexpr std::size_t kBytes = 4 * kPanelOutputs + 2 * kColumns * kPanelOutputs;

  static typename Isa::Float Scales(const std::byte* block, std::size_t o) {
    return Isa::LoadFloats(block + 4 * o);
  }
  template <bool kOdd>
  static typename Isa::Int Pair(const std::byte* block, std::size_t pair, std::size_t o) {
    return Isa::LoadInts(block + At(pair, o));
  }
  template <class W>
  static void Unpack(const std::byte* from, std::byte* to) {
    for (std::size_t o = 0; o < kPanelOutputs; o += Isa::kLanes) {
      Isa::StoreFloats(to + 4 * o, W::Scales(from, o));
      for (std::size_t pair = 0; pair < kColumns / 2; pair += 2) {
        Isa::StoreInts(to + At(pair, o), W::template Pair<false>(from, pair, o));
        Isa::StoreInts(to + At(pair + 1, o), W::template Pair<true>(from, pair + 1, o));
      }
    }
  }

 private:
  static constexpr std::size_t At(std::size_t pair, std::size_t o) {
    return 4 * kPanelOutputs + pair * 4 * kPanelOutputs + 4 * o;
  }
};

enum class FloatFormat { kF32, kF16, kBF16 };

template <class Isa, FloatFormat kFormat>
struct FloatWeights {
  static constexpr std::size_t kValueBytes = kFormat == FloatFormat::kF32 ? 4 : 2;
  static constexpr std::size_t kBytes = kInputBlock * kPanelOutputs * kValueBytes;

  static typename Isa::Float Load(const std::byte* block, std::size_t column, std::size_t o) {
    const std::byte* at = block + (column * kPanelOutputs + o) * kValueBytes;
    if constexpr (kFormat == FloatFormat::kF32) return Isa::LoadFloats(at);
    if constexpr (kFormat == FloatFormat::kF16) return Isa::LoadHalves(at);
    if constexpr (kFormat == FloatFormat::kBF16) return Isa::LoadBfloats(at);
  }
};

// Keeps the compiler from loading weights early into registers that the sums need.
inline void Fence() { asm volatile("" ::: "memory"); }

inline void Prefetch(const std::byte* at, std::size_t bytes) {
  for (std::size_t b = 0; b < bytes; b += 64) __builtin_prefetch(at + b, 0, 2);
}

// Weights to fetch while others are multiplied.
struct Ahead {
  const std::byte* at = nullptr;
  std::size_t bytes_per_block = 0;
};

// Adds `blocks` input blocks to sums [R, 32]. `w` begins at the first block; a [blocks, R, 32] and
// scales [blocks, R] belong to this tile of rows.
template <class Isa, class W, int R>
void AddIntegerBlocks(const std::byte* w, std::size_t blocks, const std::int16_t* a,
                      const float* scales, Ahead ahead, float* sums) {
  using Int = typename Isa::Int;
  using Float = typename Isa::Float;
  constexpr std::size_t kLanes = Isa::kLanes;
  for (std::size_t b = 0; b < blocks; ++b, a += R * kInputBlock, scales += R) {
    Prefetch(ahead.at, ahead.bytes_per_block);
    ahead.at += ahead.bytes_per_block;
    for (std::size_t part = 0; part < kInputBlock / W::kColumns; ++part, w += W::kBytes) {
      const std::int16_t* columns = a + part * W::kColumns;
      for (std::size_t o = 0; o < kPanelOutputs; o += 2 * kLanes) {
        Int acc[R][2];
        Unroll<R>([&](auto r) RECYCLING_INLINE { acc[r][0] = acc[r][1] = Isa::Zero(); });
        const auto add_pair = [&]<bool kOdd>(std::size_t pair) RECYCLING_INLINE {
          const Int w0 = W::template Pair<kOdd>(w, pair, o);
          const Int w1 = W::template Pair<kOdd>(w, pair, o + kLanes);
          Unroll<R>([&](auto r) RECYCLING_INLINE {
            const Int x = Isa::BroadcastPair(columns + r * kInputBlock + 2 * pair);
            acc[r][0] = Isa::AddProducts(acc[r][0], w0, x);
            acc[r][1] = Isa::AddProducts(acc[r][1], w1, x);
          });
        };
        for (std::size_t pair = 0; pair < W::kColumns / 2; pair += 2) {
          add_pair.template operator()<false>(pair);
          add_pair.template operator()<true>(pair + 1);
        }
        Fence();
        const Float d0 = W::Scales(w, o);
        const Float d1 = W::Scales(w, o + kLanes);
        Unroll<R>([&](auto r) RECYCLING_INLINE {
          const Float s = Isa::Broadcast(scales[r]);
          float* sum = sums + r * kPanelOutputs + o;
          Isa::Store(sum, Isa::Fma(Isa::ToFloat(acc[r][0]), Isa::Mul(d0, s), Isa::Load(sum)));
          sum += kLanes;
          Isa::Store(sum, Isa::Fma(Isa::ToFloat(acc[r][1]), Isa::Mul(d1, s), Isa::Load(sum)));
        });
      }
    }
  }
}

template <class Isa, class W, int R>
void AddFloatBlocks(const std::byte* w, std::size_t blocks, const float* x, Ahead ahead,
                    float* sums) {
  using Float = typename Isa::Float;
  constexpr std::size_t kLanes = Isa::kLanes;
  for (std::size_t b = 0; b < blocks; ++b, x += R * kInputBlock, w += W::kBytes) {
    Prefetch(ahead.at, ahead.bytes_per_block);
    ahead.at += ahead.bytes_per_block;
    for (std::size_t o = 0; o < kPanelOutputs; o += 2 * kLanes) {
      Float acc[R][2];
      Unroll<R>([&](auto r) RECYCLING_INLINE {
        acc[r][0] = Isa::Load(sums + r * kPanelOutputs + o);
        acc[r][1] = Isa::Load(sums + r * kPanelOutputs + o + kLanes);
      });
      for (std::size_t c = 0; c < kInputBlock; ++c) {
        const Float w0 = W::Load(w, c, o);
        const Float w1 = W::Load(w, c, o + kLanes);
        Unroll<R>([&](auto r) RECYCLING_INLINE {
          const Float value = Isa::Broadcast(x[r * kInputBlock + c]);
          acc[r][0] = Isa::Fma(w0, value, acc[r][0]);
          acc[r][1] = Isa::Fma(w1, value, acc[r][1]);
        });
      }
      Unroll<R>([&](auto r) RECYCLING_INLINE {
        Isa::Store(sums + r * kPanelOutputs + o, acc[r][0]);
        Isa::Store(sums + r * kPanelOutputs + o + kLanes, acc[r][1]);
      });
    }
  }
}

// Rows in tiles of nearly equal size, at most Isa::kRowTile.
template <class Isa>
class Tiles {
 public:
  explicit Tiles(std::size_t rows)
      : count_((rows + Isa::kRowTile - 1) / Isa::kRowTile),
        size_(rows / count_),
        larger_(rows % count_) {}

  std::size_t count() const { return count_; }
  // The first larger_ tiles have one row more than the others.
  std::size_t First(std::size_t tile) const { return tile * size_ + std::min(tile, larger_); }
  std::size_t Rows(std::size_t tile) const { return size_ + (tile < larger_ ? 1 : 0); }
  std::size_t TileOf(std::size_t row) const {
    const std::size_t in_larger = larger_ * (size_ + 1);
    return row < in_larger ? row / (size_ + 1) : larger_ + (row - in_larger) / size_;
  }

 private:
  std::size_t count_;
  std::size_t size_;
  std::size_t larger_;
};

// Prepared inputs: first the values of all tiles, [blocks, R, 32] for a tile of R rows, then the
// scales of all tiles, [blocks, R] each.
template <class Isa>
class PanelKernel final : public MatMulKernel {
 public:
  std::string_view name() const override { return Isa::kName; }
  std::string_view arithmetic() const override { return kPanelArithmetic; }
  PackedMatrix Layout(const Matrix& w) const override { return PanelLayout(w); }
  bool packs() const override { return true; }
  void PackPanel(const Matrix& w, std::size_t panel, std::byte* out) const override {
    verifier::PackPanel(w, panel, out);
  }
  InputFormat FormatFor(TensorType type) const override { return PanelFormat(type); }

  std::size_t InputBytes(InputFormat format, std::size_t rows, std::size_t columns) const override {
    const std::size_t blocks = InputBlocks(columns);
    const std::size_t bytes = format == InputFormat::kFloat
                                  ? rows * blocks * kInputBlock * sizeof(float)
                                  : rows * blocks * (2 * kInputBlock + sizeof(float));
    return (bytes + 63) / 64 * 64;
  }

  void PrepareRow(InputFormat format, const float* values, std::size_t columns, std::size_t row,
                  std::size_t rows, std::byte* inputs) const override {
    const std::size_t blocks = InputBlocks(columns);
    const Tiles<Isa> tiles(rows);
    const std::size_t tile = tiles.TileOf(row);
    const std::size_t first = tiles.First(tile);
    const std::size_t tile_rows = tiles.Rows(tile);
    for (std::size_t b = 0; b < blocks; ++b) {
      alignas(64) float block[kInputBlock] = {};
      const std::size_t count = std::min(kInputBlock, columns - b * kInputBlock);
      std::memcpy(block, values + b * kInputBlock, count * sizeof(float));
      const std::size_t place = first * blocks + b * tile_rows + row - first;  // in blocks
      if (format == InputFormat::kFloat) {
        std::memcpy(inputs + place * sizeof(block), block, sizeof(block));
      } else {
        const InputScale scale = ScaleOf(Isa::LargestMagnitudeBits(block));
        Isa::Quantize(block, scale.inverse, inputs + place * 2 * kInputBlock);
        std::memcpy(inputs + rows * blocks * 2 * kInputBlock + place * sizeof(float), &scale.scale,
                    sizeof(float));
      }
    }
  }

  std::size_t ScratchBytes(std::size_t rows, std::size_t) const override {
    return kUnpackedBytes + rows * kPanelOutputs * sizeof(float);
  }

  void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end, const std::byte* inputs,
                std::size_t rows, bool add, float* out, std::byte* scratch) const override {
    const Task task = {w, inputs, rows, scratch,
                       reinterpret_cast<float*>(scratch + kUnpackedBytes)};
    for (std::size_t panel = begin; panel < end; ++panel) {
      std::memset(task.sums, 0, rows * kPanelOutputs * sizeof(float));
      const std::byte* data = w.data + panel * w.panel_bytes;
      switch (w.type) {
        case TensorType::kQ8_0:
          AddIntegers<Int8Weights<Isa, 2, 32>>(task, data);
          break;
        case TensorType::kQ4_0:
          AddIntegers<Q4Weights<Isa>>(task, data);
          break;
        case TensorType::kQ6_K:
          AddIntegers<Int8Weights<Isa, 4, 16>>(task, data);
          break;
        case TensorType::kF16:
          AddFloats<FloatWeights<Isa, FloatFormat::kF16>>(task, data);
          break;
        case TensorType::kBF16:
          AddFloats<FloatWeights<Isa, FloatFormat::kBF16>>(task, data);
          break;
        case TensorType::kF32:
          AddFloats<FloatWeights<Isa, FloatFormat::kF32>>(task, data);
          break;
      }
      StoreSums(task.sums, rows, w.rows, panel, add, out);
    }
  }

 private:
  static constexpr std::size_t kRowTile = Isa::kRowTile;
  static constexpr std::size_t kUnpackedBytes =
      (kChunkBlocks * 2 * UnpackedWeights<Isa, 16>::kBytes + 63) / 64 * 64;

  struct Task {
    const PackedMatrix& w;
    const std::byte* inputs;
    std::size_t rows;
    std::byte* unpacked;
    float* sums;  // [rows, 32]
  };

  static std::size_t InputBlocks(std::size_t columns) {
    return (columns + kInputBlock - 1) / kInputBlock;
  }

  // Calls run<R>() for R = `rows`, 1 to kRowTile.
  template <typename F>
  static void WithRows(std::size_t rows, F run) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (void)((rows == I + 1 && (run.template operator()<static_cast<int>(I + 1)>(), true)) || ...);
    }
    (std::make_index_sequence<kRowTile>());
  }

  template <class W>
  static void AddIntegers(const Task& task, const std::byte* data) {
    using Unpacked = UnpackedWeights<Isa, W::kColumns>;
    constexpr std::size_t kParts = kInputBlock / W::kColumns;  // of an input block
    const std::size_t blocks = InputBlocks(task.w.columns);
    const auto* values = reinterpret_cast<const std::int16_t*>(task.inputs);
    const auto* scales = reinterpret_cast<const float*>(values + task.rows * blocks * kInputBlock);
    if (task.rows <= kRowTile) {
      const Ahead ahead = {data + kPrefetchBytes, kParts * W::kBytes};
      WithRows(task.rows, [&]<int R>() {
        AddIntegerBlocks<Isa, W, R>(data, blocks, values, scales, ahead, task.sums);
      });
      return;
    }
    const Tiles<Isa> tiles(task.rows);
    for (std::size_t b = 0; b < blocks; b += kChunkBlocks) {
      const std::size_t count = std::min(kChunkBlocks, blocks - b);
      for (std::size_t i = 0; i < count * kParts; ++i) {
        Unpacked::template Unpack<W>(data + i * W::kBytes, task.unpacked + i * Unpacked::kBytes);
      }
      data += count * kParts * W::kBytes;
      // Parts of the next chunk are fetched while this one is multiplied.
      Ahead ahead = {data, (kParts * W::kBytes / tiles.count() + 63) / 64 * 64};
      for (std::size_t tile = 0; tile < tiles.count(); ++tile) {
        const std::size_t first = tiles.First(tile);
        const std::size_t tile_rows = tiles.Rows(tile);
        const std::size_t place = first * blocks + b * tile_rows;
        WithRows(tile_rows, [&]<int R>() {
          AddIntegerBlocks<Isa, Unpacked, R>(task.unpacked, count, values + place * kInputBlock,
                                             scales + place, ahead,
                                             task.sums + first * kPanelOutputs);
        });
        ahead.at += count * ahead.bytes_per_block;
      }
    }
  }

  template <class W>
  static void AddFloats(const Task& task, const std::byte* data) {
    const std::size_t blocks = InputBlocks(task.w.columns);
    const auto* values = reinterpret_cast<const float*>(task.inputs);
    const Tiles<Isa> tiles(task.rows);
    for (std::size_t b = 0; b < blocks; b += kChunkBlocks, data += kChunkBlocks * W::kBytes) {
      const std::size_t count = std::min(kChunkBlocks, blocks - b);
      for (std::size_t tile = 0; tile < tiles.count(); ++tile) {
        const std::size_t first = tiles.First(tile);
        const std::size_t tile_rows = tiles.Rows(tile);
        const Ahead ahead = {data + kPrefetchBytes, tile == 0 ? W::kBytes : 0};
        WithRows(tile_rows, [&]<int R>() {
          AddFloatBlocks<Isa, W, R>(data, count,
                                    values + (first * blocks + b * tile_rows) * kInputBlock, ahead,
                                    task.sums + first * kPanelOutputs);
        });
      }
    }
  }
};

}  // namespace
}  // namespace recycling::verifier

#undef RECYCLING_INLINE

#endif  // RECYCLING_VERIFIER_KERNELS_PANEL_KERNEL_H_
