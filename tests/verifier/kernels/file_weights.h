// Reads integer weights from the bytes of a model file. This second implementation is for tests.
#ifndef RECYCLING_TESTS_VERIFIER_KERNELS_FILE_WEIGHTS_H_
#define RECYCLING_TESTS_VERIFIER_KERNELS_FILE_WEIGHTS_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/float_math.h"
#include "verifier/kernels/matrix.h"

namespace recycling::verifier {

// The weight d * q - m: q is the integer, d is the scale and m is the minimum of its block.
struct Weight {
  int q = 0;
  float d = 0;
  float m = 0;
};

inline Weight WeightAt(const Matrix& w, std::size_t o, std::size_t column) {
  const TensorTypeInfo& info = InfoOf(w.type);
  const std::byte* block = w.Row(o) + column / info.block_values * info.block_bytes;
  const std::size_t c = column % info.block_values;
  const auto byte = [&](std::size_t at) { return std::to_integer<int>(block[at]); };
  const auto half = [&](std::size_t at) {
    return HalfToFloat(static_cast<std::uint16_t>(byte(at) | byte(at + 1) << 8));
  };
  const auto nibble = [&](std::size_t at) { return c % 32 < 16 ? byte(at) & 15 : byte(at) >> 4; };
  constexpr int kTable[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                            1,    13,   25,  38,  53,  69,  89,  113};
  switch (w.type) {
    case TensorType::kQ8_0:
      return {static_cast<std::int8_t>(byte(2 + c)), half(0), 0};
    case TensorType::kQ4_0:
      return {nibble(2 + c % 16) - 8, half(0), 0};
    case TensorType::kQ4_1:
      return {nibble(4 + c % 16), half(0), -half(2)};
    case TensorType::kQ5_0:
      return {(nibble(6 + c % 16) | (byte(2 + c / 8) >> c % 8 & 1) << 4) - 16, half(0), 0};
    case TensorType::kQ5_1:
      return {nibble(8 + c % 16) | (byte(4 + c / 8) >> c % 8 & 1) << 4, half(0), -half(2)};
    case TensorType::kIQ4_NL:
      return {kTable[nibble(2 + c % 16)], half(0), 0};
    case TensorType::kIQ4_XS: {
      const std::size_t b = c / 32;
      const int low = b % 2 == 0 ? byte(4 + b / 2) & 15 : byte(4 + b / 2) >> 4;
      const int high = (byte(2) | byte(3) << 8) >> 2 * b & 3;
      return {kTable[nibble(8 + 16 * b + c % 16)],
              half(0) * static_cast<float>((low | high << 4) - 32), 0};
    }
    case TensorType::kQ4_K:
    case TensorType::kQ5_K: {
      const bool five = w.type == TensorType::kQ5_K;
      const std::size_t b = c / 32;
      int scale = byte(4 + b) & 63;
      int minimum = byte(8 + b) & 63;
      if (b >= 4) {
        scale = (byte(8 + b) & 15) | (byte(b) >> 6) << 4;
        minimum = byte(8 + b) >> 4 | (byte(4 + b) >> 6) << 4;
      }
      const int both = byte((five ? 48 : 16) + 32 * (b / 2) + c % 32);
      int q = b % 2 == 0 ? both & 15 : both >> 4;
      if (five) q += 16 * (byte(16 + c % 32) >> b & 1);
      return {q, half(0) * static_cast<float>(scale), half(2) * static_cast<float>(minimum)};
    }
    case TensorType::kQ6_K: {
      const std::size_t run = c / 32;
      const int four = byte(64 * (run / 4) + 32 * (run % 2) + c % 32) >> (run % 4 < 2 ? 0 : 4) & 15;
      const int two = byte(128 + 32 * (run / 4) + c % 32) >> 2 * (run % 4) & 3;
      const auto scale = static_cast<std::int8_t>(byte(192 + c / 16));
      return {four + 16 * two - 32, half(208) * static_cast<float>(scale), 0};
    }
    case TensorType::kQ3_K: {
      const std::size_t run = c / 32;
      const std::size_t i = c / 16;
      const int low = i < 8 ? byte(96 + i) & 15 : byte(96 + i - 8) >> 4;
      const int high = byte(104 + i % 4) >> 2 * (i / 4) & 3;
      const int two = byte(32 + 32 * (run / 4) + c % 32) >> 2 * (run % 4) & 3;
      const bool set = (byte(c % 32) >> run & 1) != 0;
      return {two - (set ? 0 : 4), half(108) * static_cast<float>(low + 16 * high - 32), 0};
    }
    case TensorType::kQ2_K: {
      const std::size_t run = c / 32;
      const int pair = byte(c / 16);
      const int q = byte(16 + 32 * (run / 4) + c % 32) >> 2 * (run % 4) & 3;
      return {q, half(80) * static_cast<float>(pair & 15),
              half(82) * static_cast<float>(pair >> 4)};
    }
    default:
      ADD_FAILURE() << "no integers";
      return {};
  }
}

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_KERNELS_FILE_WEIGHTS_H_
