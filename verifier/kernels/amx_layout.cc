#include "verifier/kernels/amx_layout.h"

#include <bit>
#include <cstring>

#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/float_math.h"

namespace recycling::verifier {
namespace {

using std::size_t;

// A chunk of one output; the names are those of the header.
struct Integers {
  std::int8_t p[kAmxChunkColumns];
  float scales[kAmxChunkColumns / 16];  // d / u of each block
};

Integers Unpack(TensorType type, const std::byte* row, size_t first, size_t columns) {
  Integers out;
  if (type == TensorType::kQ6_K) {
    for (size_t c = 0; c < columns; c += 256) {
      UnpackQ6_K(row + (first + c) / 256 * 210, out.p + c, out.scales + c / 16);
    }
    for (size_t c = 0; c < columns; ++c) out.p[c] = static_cast<std::int8_t>(4 * out.p[c]);
    for (size_t b = 0; b < columns / 16; ++b) out.scales[b] /= 4;
    return out;
  }
  const bool nibbles = type == TensorType::kQ4_0;
  const size_t block_bytes = InfoOf(type).block_bytes;
  const std::byte* block = row + first / 32 * block_bytes;
  for (size_t b = 0; b < columns / 32; ++b, block += block_bytes) {
    std::uint16_t half;
    std::memcpy(&half, block, sizeof(half));
    out.scales[b] = HalfToFloat(half) / (nibbles ? 16 : 1);
    std::int8_t* p = out.p + 32 * b;
    if (!nibbles) {
      std::memcpy(p, block + 2, 32);
      continue;
    }
    for (size_t c = 0; c < 16; ++c) {  // 16 (q - 8)
      p[c] = static_cast<std::int8_t>((block[2 + c] << 4) ^ std::byte{0x80});
      p[c + 16] = static_cast<std::int8_t>((block[2 + c] & std::byte{0xf0}) ^ std::byte{0x80});
    }
  }
  return out;
}

InputScale ScaleOfAll(const float* values, size_t count) {
  std::uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(values[i]) & 0x7fffffffU);
  }
  return ScaleOf(largest, kAmxLevels);
}

// Rounds to the nearest integer, halves to even, like nearbyint but without a call.
std::int16_t Rounded(float value) {
  constexpr float kWhole = 0x1.8p23F;  // floats of this size are integers
  return static_cast<std::int16_t>((value + kWhole) - kWhole);
}

template <typename T>
void Put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}

// The place of output o in a line.
constexpr size_t LinePlace(size_t o) { return o % kTileRows * 4; }

// Packs one chunk of output `o`. `out` is zero where nothing was packed yet.
void PackIntegers(const Matrix& w, size_t first, size_t columns, const std::byte* row, size_t o,
                  std::byte* out) {
  const Integers integers = Unpack(w.type, row, first, columns);
  const size_t block_columns = AmxBlockColumns(w.type);
  const size_t blocks = columns / block_columns;
  const InputScale scale = ScaleOfAll(integers.scales, blocks);
  Put(out + o * sizeof(float), scale.scale * 128 * 256);
  if (scale.inverse == 0) return;  // all scales are zero, or one is not finite
  out += kAmxScaleBytes;
  const size_t lines = AmxBlockBytes(w.type) / 64 / 2;  // of a half; factors are one line
  for (size_t b = 0; b < blocks; ++b, out += AmxBlockBytes(w.type)) {
    Put(out + o * sizeof(std::int16_t), Rounded(integers.scales[b] * scale.inverse));
    std::byte* half = out + kAmxFactorBytes + o / kTileRows * lines * 64 + LinePlace(o);
    const std::int8_t* p = integers.p + b * block_columns;
    if (w.type == TensorType::kQ4_0) {
      for (size_t c = 0; c < block_columns; ++c) {
        const auto high = static_cast<std::byte>(p[c]);
        half[c / 8 * 64 + c % 4] |= c / 4 % 2 == 0 ? high >> 4 : high;
      }
    } else {
      for (size_t c = 0; c < block_columns; c += 4) std::memcpy(half + c / 4 * 64, p + c, 4);
    }
  }
}

void PackFloats(const Matrix& w, size_t first, size_t columns, const std::byte* row, size_t o,
                std::byte* out) {
  float values[kAmxChunkColumns];
  DequantizeRow(w.type, row + first * InfoOf(w.type).block_bytes, columns, values);
  const InputScale scale = ScaleOfAll(values, columns);
  Put(out + o * sizeof(float), scale.scale * 256);
  if (scale.inverse == 0) return;  // all weights are zero, or the scale is not finite
  std::byte bytes[2][kAmxChunkColumns] = {};
  for (size_t c = 0; c < columns; ++c) {
    const std::int16_t value = Rounded(values[c] * scale.inverse);
    bytes[0][c] = static_cast<std::byte>((value + 128) >> 8);
    bytes[1][c] = static_cast<std::byte>(value & 255);
  }
  out += kAmxScaleBytes + o / kTileRows * kAmxHalfBytes + LinePlace(o);
  for (size_t c = 0; c < columns; c += 4) {
    std::byte* place = out + c / kTileColumns * kAmxGroupBytes + c % kTileColumns / 4 * 64;
    std::memcpy(place, bytes[0] + c, 4);
    std::memcpy(place + kTileBytes, bytes[1] + c, 4);
  }
}

}  // namespace

PackedMatrix AmxLayout(const Matrix& w) {
  const size_t whole = w.columns / kAmxChunkColumns;
  const size_t rest = AmxTiles(w.columns % kAmxChunkColumns);
  return {.type = w.type,
          .rows = w.rows,
          .columns = w.columns,
          .panel_outputs = kPanelOutputs,
          .panel_bytes = whole * AmxChunkBytes(w.type, kAmxChunkTiles) +
                         (rest != 0 ? AmxChunkBytes(w.type, rest) : 0)};
}

void PackAmxPanel(const Matrix& w, size_t panel, std::byte* out) {
  const size_t first_output = panel * kPanelOutputs;
  const size_t outputs = std::min(kPanelOutputs, w.rows - first_output);
  std::memset(out, 0, AmxLayout(w).panel_bytes);
  for (size_t first = 0; first < w.columns; first += kAmxChunkColumns) {
    const size_t columns = std::min(kAmxChunkColumns, w.columns - first);
    const auto pack = PanelFormat(w.type) == InputFormat::kFloat ? PackFloats : PackIntegers;
    for (size_t o = 0; o < outputs; ++o) {
      pack(w, first, columns, w.Row(first_output + o), o, out);
    }
    out += AmxChunkBytes(w.type, AmxTiles(columns));
  }
}

}  // namespace recycling::verifier
