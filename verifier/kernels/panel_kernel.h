// The loops over packed panels, for any vector width. One source for each instruction set includes
// this file after its target pragma. Everything here is in an unnamed namespace, so each of these
// sources compiles its own copy.
//
// The loops multiply a tile of rows with two vectors of outputs at a time and keep the sums in
// registers. All tiles use a chunk of weights while it stays in the first-level cache. A format
// that takes long to unpack is unpacked once for all tiles if there is more than one tile.
#ifndef RECYCLING_VERIFIER_KERNELS_PANEL_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_PANEL_KERNEL_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "verifier/kernels/formats/formats.h"
#include "verifier/kernels/packed_rows.h"
#include "verifier/kernels/panel_layout.h"
#include "verifier/kernels/unroll.h"

namespace recycling::verifier {
namespace {

// The prepared activations of a tile of R rows. Each chunk of columns has a record with
//   bytes  [8 blocks][8 groups of 4 columns][R][4]   a
//   int32  [8][parts][R]                             -t, of the columns that share a scale
//   int32  [8][R]                                    e
//   float  [8][parts][R]                             t 2^e
//   float  [R]                                       s
// where parts is 1 or 2, the number of scales in a block. packed_format.h defines the letters.
template <int kParts>
struct Record {
  static constexpr std::size_t Bytes(std::size_t rows) {
    return rows * (kChunkColumns + 4 * kChunkBlocks * (2 * kParts + 1) + 4);
  }
  Record(const std::byte* at, std::size_t rows)
      : values(at),
        minus_sums(at + kChunkColumns * rows),
        shifts(minus_sums + 4 * kChunkBlocks * kParts * rows),
        scaled_sums(shifts + 4 * kChunkBlocks * rows),
        scales(scaled_sums + 4 * kChunkBlocks * kParts * rows) {}
  const std::byte* values;
  const std::byte* minus_sums;
  const std::byte* shifts;
  const std::byte* scaled_sums;
  const std::byte* scales;
};

template <class W>
inline constexpr int kPartsOf = static_cast<int>(kBlockColumns / W::kScaleColumns);

// Unpacks the values of a block to rows of bytes at `to`. kSigned: without the format's offset.
template <class Isa, class W, bool kSigned>
void UnpackValues(const std::byte* block, std::byte* to) {
  Unroll<kPanelOutputs / Isa::kOutputs>([&](auto v) RECYCLING_INLINE {
    Unroll<8>([&](auto k) RECYCLING_INLINE {
      auto values = W::template Values<Isa, k>(block, v);
      if constexpr (kSigned && W::kOffset != 0 && W::kOffset != 128) {
        values = Isa::Subtract(values, W::kOffset);
      }
      Isa::StoreBytes(to + k * kRowBytes + v * Isa::kBytes, values);
    });
  });
}

// Unpacks the scales of a block [parts, kPanelOutputs], and the minima if the format has any.
template <class Isa, class W>
void UnpackScales(const std::byte* chunk, const std::byte* block, float* scales, float* minima) {
  Unroll<kPartsOf<W>>([&](auto part) RECYCLING_INLINE {
    Unroll<kPanelOutputs / Isa::kOutputs>([&](auto v) RECYCLING_INLINE {
      const std::size_t at = part * kPanelOutputs + v * Isa::kOutputs;
      Isa::Store(scales + at, W::template Scale<Isa>(chunk, block, part, v));
      if constexpr (W::kHasMinimum) {
        Isa::Store(minima + at, W::template Minimum<Isa>(chunk, block, part, v));
      }
    });
  });
}

// kLargest of an unpacked chunk. Without pair sums all narrow formats share one type of unpacked
// chunks, so that less code is compiled.
template <class Isa, class W>
inline constexpr int kLargestUnpacked = Isa::kPairSums || W::kOffset == 128 ? W::kLargest : 127;

// An unpacked chunk of any format. A block is [values as bytes][scales][minima].
template <class Isa, int kParts, bool kMinima, int kLargestValue>
struct Unpacked {
  static constexpr std::size_t kScaleColumns = kBlockColumns / kParts;
  static constexpr bool kHasMinimum = kMinima;
  // 0 for narrow formats: AddIntegerChunk gets their offset as a parameter.
  static constexpr int kOffset = kLargestValue == 255 ? 128 : 0;
  static constexpr int kLargest = kLargestValue;
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr std::size_t kFloats = 4 * kPanelOutputs;
  static constexpr std::size_t kBlockBytes = kByteValues + kParts * kFloats * (kMinima ? 2 : 1);

  template <class, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return ByteRow<Isa>(block, k, v);
  }
  template <class>
  static typename Isa::Float Scale(const std::byte*, const std::byte* block, int part, int v) {
    return Isa::LoadFloats(block + At(part, v));
  }
  template <class>
  static typename Isa::Float Minimum(const std::byte*, const std::byte* block, int part, int v) {
    return Isa::LoadFloats(block + kParts * kFloats + At(part, v));
  }

  template <class W>
  static void Unpack(const std::byte* chunk, std::size_t blocks, std::byte* to) {
    const std::byte* block = chunk + W::kHeaderBytes;
    for (std::size_t b = 0; b < blocks; ++b, block += W::kBlockBytes, to += kBlockBytes) {
      auto* scales = reinterpret_cast<float*>(to + kByteValues);
      UnpackValues<Isa, W, false>(block, to);
      UnpackScales<Isa, W>(chunk, block, scales, scales + kParts * kPanelOutputs);
    }
  }

 private:
  static constexpr std::size_t At(int part, int v) {
    return kByteValues + static_cast<std::size_t>(part) * kFloats +
           static_cast<std::size_t>(v) * 4 * Isa::kOutputs;
  }
};

constexpr std::size_t kFloatFetch = 2048;  // bytes from the multiplied to the prefetched weights

enum class FloatFormat { kF32, kF16, kBF16 };

template <class Isa, FloatFormat kFormat>
struct FloatWeights {
  static constexpr std::size_t kValueBytes = kFormat == FloatFormat::kF32 ? 4 : 2;
  static constexpr std::size_t kBytes = kBlockColumns * kPanelOutputs * kValueBytes;

  static typename Isa::Float Load(const std::byte* block, std::size_t column, std::size_t o) {
    const std::byte* at = block + (column * kPanelOutputs + o) * kValueBytes;
    if constexpr (kFormat == FloatFormat::kF32) return Isa::LoadFloats(at);
    if constexpr (kFormat == FloatFormat::kF16) return Isa::LoadHalves(at);
    if constexpr (kFormat == FloatFormat::kBF16) return Isa::LoadBfloats(at);
  }
};

// Memory to prefetch while other memory is multiplied. Each call of Fetch prefetches one or two
// cache lines.
class Ahead {
 public:
  // Prefetches nothing: each call touches a line that the caller uses anyway.
  explicit Ahead(const std::byte* used) : at_(used) {}
  // Prefetches `lines` lines from `from` on in `steps` calls, at most two lines in a call.
  Ahead(const std::byte* from, std::size_t lines, std::size_t steps)
      : at_(from), second_(lines > steps ? 64 : 0), step_(lines > steps ? 128 : 64) {}

  RECYCLING_INLINE void Fetch() {
    __builtin_prefetch(at_, 0, 2);
    __builtin_prefetch(at_ + second_, 0, 2);
    at_ += step_;
  }

 private:
  const std::byte* at_;
  std::size_t second_ = 0;  // bytes to the second line; 0: there is none
  std::size_t step_ = 0;
};

// How many of `steps` steps of four columns add up in 16 bits, if the weights are bytes up to
// `largest`. Each step adds two products with an activation of at most 127. 1: the Isa does not add
// in 16 bits, or two steps do not fit.
template <class Isa>
constexpr int PairSteps(int largest, int steps) {
  if constexpr (Isa::kPairSums) {
    while (steps > 1 && 2 * 127 * largest * steps > 32767) steps /= 2;
    return steps;
  }
  return 1;
}

// Adds a chunk of `blocks` blocks to sums [R, kPanelOutputs]. `offset_shift` is log2 of the offset
// of the values, for formats without minima. `ahead` is prefetched.
template <class Isa, class W, int R>
__attribute__((noinline)) void AddIntegerChunk(const std::byte* chunk, std::size_t blocks,
                                               const std::byte* inputs, int offset_shift,
                                               Ahead ahead, float* sums) {
  using Int = typename Isa::Int;
  using Float = typename Isa::Float;
  using Bytes = typename Isa::Bytes;
  constexpr int kParts = kPartsOf<W>;
  constexpr bool kWide = W::kOffset == 128;
  constexpr int kSteps = 8 / kParts;  // of four columns
  // The products of so many steps are added in 16 bits before they are widened.
  constexpr int kPairSteps = PairSteps<Isa>(W::kLargest, kSteps);
  constexpr bool kOffsets = !W::kHasMinimum && !(kWide && Isa::kSignedBytes);
  constexpr std::size_t kRow = 4;  // bytes from the number of one row to that of the next
  const Record<kParts> record(inputs, R);
  const Int shift = Isa::SplatInt(offset_shift);
  for (int group = 0; group < static_cast<int>(kPanelOutputs / Isa::kOutputs); group += 2) {
    Float f[R][2];
    Unroll<R>([&](auto r) RECYCLING_INLINE { f[r][0] = f[r][1] = Isa::ZeroFloat(); });
    const std::byte* block = chunk + W::kHeaderBytes;
    const std::byte* values = record.values;
    for (std::size_t b = 0; b < blocks; ++b, block += W::kBlockBytes) {
      Unroll<kParts>([&](auto part) RECYCLING_INLINE {
        const std::size_t place = (b * kParts + part) * R * kRow;
        Int acc[R][2];
        Unroll<R>([&](auto r) RECYCLING_INLINE {
          if constexpr (kOffsets) {
            acc[r][0] = acc[r][1] =
                Isa::ShiftLeftBy(Isa::BroadcastInt(record.minus_sums + place + r * kRow), shift);
          } else {
            acc[r][0] = acc[r][1] = Isa::ZeroInt();
          }
        });
        Unroll<kSteps / kPairSteps>([&](auto some) RECYCLING_INLINE {
          Int pairs[R][2];
          Unroll<kPairSteps>([&](auto i) RECYCLING_INLINE {
            constexpr int k = part * kSteps + some * kPairSteps + i;
            Bytes w[2];
            Unroll<2>([&](auto v) RECYCLING_INLINE {
              w[v] = W::template Values<Isa, k>(block, group + v);
            });
            ahead.Fetch();
            Unroll<R>([&](auto r) RECYCLING_INLINE {
              const Bytes x = Isa::BroadcastBytes(values + (k * R + r) * 4);
              Unroll<2>([&](auto v) RECYCLING_INLINE {
                if constexpr (kPairSteps == 1) {
                  acc[r][v] = Isa::template Dot<kWide>(acc[r][v], w[v], x);
                } else {
                  const Int products = Isa::MultiplyPairs(w[v], x);
                  pairs[r][v] = i == 0 ? products : Isa::AddPairs(pairs[r][v], products);
                }
              });
            });
          });
          if constexpr (kPairSteps > 1) {
            Unroll<R>([&](auto r) RECYCLING_INLINE {
              Unroll<2>([&](auto v) RECYCLING_INLINE {
                acc[r][v] = Isa::SumPairs(acc[r][v], pairs[r][v]);
              });
            });
          }
        });
        Float d[2];
        Unroll<2>([&](auto v) RECYCLING_INLINE {
          d[v] = W::template Scale<Isa>(chunk, block, part, group + v);
        });
        Unroll<R>([&](auto r) RECYCLING_INLINE {
          const Int e = Isa::BroadcastInt(record.shifts + (b * R + r) * kRow);
          Unroll<2>([&](auto v) RECYCLING_INLINE {
            f[r][v] = Isa::Fma(Isa::ToFloat(Isa::ShiftLeftBy(acc[r][v], e)), d[v], f[r][v]);
          });
        });
        if constexpr (W::kHasMinimum) {
          Float m[2];
          Unroll<2>([&](auto v) RECYCLING_INLINE {
            m[v] = W::template Minimum<Isa>(chunk, block, part, group + v);
          });
          Unroll<R>([&](auto r) RECYCLING_INLINE {
            const Float t = Isa::BroadcastFloat(record.scaled_sums + place + r * kRow);
            Unroll<2>([&](auto v) RECYCLING_INLINE { f[r][v] = Isa::MinusFma(t, m[v], f[r][v]); });
          });
        }
      });
      values += R * kBlockColumns;
    }
    Unroll<R>([&](auto r) RECYCLING_INLINE {
      const Float s = Isa::BroadcastFloat(record.scales + r * kRow);
      Unroll<2>([&](auto v) RECYCLING_INLINE {
        float* sum = sums + r * kPanelOutputs + static_cast<std::size_t>(group + v) * Isa::kOutputs;
        Isa::Store(sum, Isa::Fma(f[r][v], s, Isa::Load(sum)));
      });
    });
  }
}

template <class Isa, class W, int R>
__attribute__((noinline)) void AddFloatBlocks(const std::byte* w, std::size_t blocks,
                                              const float* x, std::size_t fetch_ahead,
                                              float* sums) {
  using Float = typename Isa::Float;
  constexpr std::size_t kLanes = Isa::kOutputs;
  for (std::size_t b = 0; b < blocks; ++b, x += R * kBlockColumns, w += W::kBytes) {
    for (std::size_t at = 0; at < fetch_ahead; at += 64) {
      __builtin_prefetch(w + kFloatFetch + at, 0, 2);
    }
    for (std::size_t o = 0; o < kPanelOutputs; o += 2 * kLanes) {
      Float acc[R][2];
      Unroll<R>([&](auto r) RECYCLING_INLINE {
        acc[r][0] = Isa::Load(sums + r * kPanelOutputs + o);
        acc[r][1] = Isa::Load(sums + r * kPanelOutputs + o + kLanes);
      });
      for (std::size_t c = 0; c < kBlockColumns; ++c) {
        const Float w0 = W::Load(w, c, o);
        const Float w1 = W::Load(w, c, o + kLanes);
        Unroll<R>([&](auto r) RECYCLING_INLINE {
          const Float value = Isa::Splat(x[r * kBlockColumns + c]);
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

// Rounds a chunk of a row: calls block(b, a [32], e) for each of its blocks, then scale(s).
template <class Isa, typename Block, typename Scale>
void RoundChunk(const float* values, std::size_t blocks, Block block, Scale scale) {
  std::uint32_t largest[kChunkBlocks] = {};
  std::uint32_t most = 0;
  for (std::size_t b = 0; b < blocks; ++b) {
    largest[b] = Isa::LargestMagnitudeBits(values + b * kBlockColumns);
    most = std::max(most, largest[b]);
  }
  const ChunkScale chunk = ScaleOf(most);
  for (std::size_t b = 0; b < blocks; ++b) {
    const int shift = ShiftOf(largest[b], chunk);
    alignas(64) std::int8_t a[kBlockColumns];
    Isa::Quantize(values + b * kBlockColumns, chunk.inverse * PowerOfTwo(shift), a);
    block(b, a, kLargestShift - shift);
  }
  scale(chunk.scale);
}

// The sum of the activations in part `part` of a block that has `parts` parts.
inline int SumOf(const std::int8_t* a, int part, int parts) {
  const int columns = static_cast<int>(kBlockColumns) / parts;
  int sum = 0;
  for (int i = part * columns; i < (part + 1) * columns; ++i) sum += a[i];
  return sum;
}

// Divides rows into tiles of nearly equal size, with at most Isa::kRowTile rows.
template <class Isa>
class Tiles {
 public:
  explicit Tiles(std::size_t rows)
      : count_((rows + Isa::kRowTile - 1) / Isa::kRowTile),
        size_(rows / count_),
        larger_(rows % count_) {}

  std::size_t count() const { return count_; }
  // The first larger_ tiles have one more row than the others.
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

// Prepared inputs are stored tile after tile. A tile of R rows is floats [blocks, R, 32], or one
// Record for each chunk.
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
    const std::size_t bytes =
        format == InputFormat::kFloat
            ? rows * Blocks(columns) * kBlockColumns * sizeof(float)
            : Chunks(columns) * (format == InputFormat::kIntegers32 ? Record<1>::Bytes(rows)
                                                                    : Record<2>::Bytes(rows));
    return (bytes + 63) / 64 * 64;
  }

  void Prepare(InputFormat format, const float* values, const InputPart& part,
               std::byte* inputs) const override {
    const Tiles<Isa> tiles(part.rows);
    const std::size_t tile = tiles.TileOf(part.row);
    const std::size_t first = tiles.First(tile);
    const Place place = {first, part.row - first, tiles.Rows(tile)};
    switch (format) {
      case InputFormat::kFloat:
        return PrepareFloats(values, part, place, inputs);
      case InputFormat::kIntegers32:
        return PrepareIntegers<1>(values, part, place, inputs);
      case InputFormat::kIntegers16:
        return PrepareIntegers<2>(values, part, place, inputs);
    }
  }

  std::size_t ScratchBytes(std::size_t rows, std::size_t) const override {
    return kUnpackedBytes + rows * kPanelOutputs * sizeof(float);
  }

  void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end, const std::byte* inputs,
                std::size_t rows, bool add, float* out, std::byte* scratch) const override {
    const Task task = {w,
                       inputs,
                       rows,
                       scratch,
                       reinterpret_cast<float*>(scratch + kUnpackedBytes),
                       rows > kFewRows || kPasses > 1 || PrefetchesFewRows()};
    for (std::size_t panel = begin; panel < end; ++panel) {
      std::memset(task.sums, 0, rows * kPanelOutputs * sizeof(float));
      const std::byte* data = w.data + panel * w.panel_bytes;
      switch (w.type) {
        case TensorType::kF16:
          AddFloats<FloatFormat::kF16>(task, data);
          break;
        case TensorType::kBF16:
          AddFloats<FloatFormat::kBF16>(task, data);
          break;
        case TensorType::kF32:
          AddFloats<FloatFormat::kF32>(task, data);
          break;
        default:
          WithFormat(w.type, [&]<class W>() { AddIntegers<W>(task, data); });
          break;
      }
      StoreSums(task.sums, rows, w.rows, panel, add, out);
    }
  }

 private:
  static constexpr std::size_t kRowTile = Isa::kRowTile;
  static constexpr std::size_t kFewRows = 4;
  // Over a chunk. Each pass of several skips lines, so the processor does not see one stream.
  static constexpr std::size_t kPasses = kPanelOutputs / Isa::kOutputs / 2;
  static constexpr std::size_t kUnpackedBytes =
      kChunkBlocks * Unpacked<Isa, 2, true, 127>::kBlockBytes;

  struct Task {
    const PackedMatrix& w;
    const std::byte* inputs;
    std::size_t rows;
    std::byte* unpacked;
    float* sums;  // [rows, 32]
    bool prefetch;
  };
  struct Place {
    std::size_t first;  // first row of the tile
    std::size_t row;    // in the tile
    std::size_t tile_rows;
  };

  static void PrepareFloats(const float* values, const InputPart& part, const Place& place,
                            std::byte* inputs) {
    auto* to =
        reinterpret_cast<float*>(inputs) + place.first * Blocks(part.columns) * kBlockColumns;
    for (std::size_t c = part.begin; c < part.end; c += kBlockColumns) {
      float* block = to + (c / kBlockColumns * place.tile_rows + place.row) * kBlockColumns;
      const std::size_t count = std::min(kBlockColumns, part.end - c);
      std::memcpy(block, values + c, count * sizeof(float));
      std::fill(block + count, block + kBlockColumns, 0.0F);
    }
  }

  template <int kParts>
  static void PrepareIntegers(const float* values, const InputPart& input, const Place& place,
                              std::byte* inputs) {
    const std::size_t rows = place.tile_rows;
    std::byte* to = inputs + place.first * Chunks(input.columns) * Record<kParts>::Bytes(1) +
                    input.begin / kChunkColumns * Record<kParts>::Bytes(rows);
    for (std::size_t c = input.begin; c < input.end;
         c += kChunkColumns, to += Record<kParts>::Bytes(rows)) {
      const Record<kParts> record(to, rows);
      const auto put = [&](const std::byte* at, std::size_t i, auto value) {
        std::memcpy(to + (at - to) + (i * rows + place.row) * 4, &value, 4);
      };
      const std::size_t blocks = std::min(kChunkBlocks, (input.end - c) / kBlockColumns);
      RoundChunk<Isa>(
          values + c, blocks,
          [&](std::size_t b, const std::int8_t* a, int exponent) {
            for (std::size_t k = 0; k < 8; ++k) {
              std::uint32_t four;
              std::memcpy(&four, a + 4 * k, 4);
              put(record.values, b * 8 + k, four);
            }
            put(record.shifts, b, exponent);
            for (int part = 0; part < kParts; ++part) {
              const int sum = SumOf(a, part, kParts);
              const std::size_t place_of = b * kParts + static_cast<std::size_t>(part);
              put(record.minus_sums, place_of, -sum);
              put(record.scaled_sums, place_of, static_cast<float>(sum * (1 << exponent)));
            }
          },
          [&](float scale) { put(record.scales, 0, scale); });
    }
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
    constexpr int kParts = kPartsOf<W>;
    constexpr std::size_t kChunkBytes = W::kHeaderBytes + kChunkBlocks * W::kBlockBytes;
    const std::size_t blocks = Blocks(task.w.columns);
    const std::size_t chunks = Chunks(task.w.columns);
    const Tiles<Isa> tiles(task.rows);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk, data += kChunkBytes) {
      const std::size_t count = std::min(kChunkBlocks, blocks - chunk * kChunkBlocks);
      // While each tile multiplies this chunk, it prefetches an equal part of the next chunk, line
      // by line.
      const std::byte* next = data + kChunkBytes;
      const std::size_t lines = (kChunkBytes / 64 + tiles.count() - 1) / tiles.count();
      const std::size_t steps = count * 8 * (kPanelOutputs / Isa::kOutputs / 2);
      const auto multiply = [&]<class Form>(const std::byte* weights) {
        for (std::size_t tile = 0; tile < tiles.count(); ++tile, next += lines * 64) {
          const std::size_t first = tiles.First(tile);
          const std::size_t tile_rows = tiles.Rows(tile);
          const Ahead ahead = task.prefetch ? Ahead(next, lines, steps) : Ahead(weights);
          WithRows(tile_rows, [&]<int R>() {
            AddIntegerChunk<Isa, Form, R>(
                weights, count,
                task.inputs + (first * chunks + chunk * tile_rows) * Record<kParts>::Bytes(1),
                kOffsetShift<W>, ahead, task.sums + first * kPanelOutputs);
          });
        }
      };
      if (kParts == 1 || tiles.count() == 1) {
        multiply.template operator()<W>(data);
      } else {
        using Form = Unpacked<Isa, kParts, W::kHasMinimum, kLargestUnpacked<Isa, W>>;
        Form::template Unpack<W>(data, count, task.unpacked);
        multiply.template operator()<Form>(task.unpacked);
      }
    }
  }

  template <FloatFormat kFormat>
  static void AddFloats(const Task& task, const std::byte* data) {
    using W = FloatWeights<typename Isa::Floats, kFormat>;
    const std::size_t blocks = Blocks(task.w.columns);
    const auto* values = reinterpret_cast<const float*>(task.inputs);
    const Tiles<Isa> tiles(task.rows);
    constexpr std::size_t kGroup = 4;  // blocks that stay in the cache while all rows use them
    for (std::size_t b = 0; b < blocks; b += kGroup, data += kGroup * W::kBytes) {
      const std::size_t count = std::min(kGroup, blocks - b);
      for (std::size_t tile = 0; tile < tiles.count(); ++tile) {
        const std::size_t first = tiles.First(tile);
        const std::size_t tile_rows = tiles.Rows(tile);
        WithRows(tile_rows, [&]<int R>() {
          AddFloatBlocks<typename Isa::Floats, W, R>(
              data, count, values + (first * blocks + b * tile_rows) * kBlockColumns,
              tile == 0 ? W::kBytes : 0, task.sums + first * kPanelOutputs);
        });
      }
    }
  }
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PANEL_KERNEL_H_
