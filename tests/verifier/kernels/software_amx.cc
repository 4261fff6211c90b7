#include "tests/verifier/kernels/software_amx.h"

#include <bit>
#include <cmath>

#include "tests/verifier/kernels/software_tiles.h"
#include "verifier/kernels/amx_kernel.h"

namespace recycling::verifier {
namespace {

struct PlainSteps {
  struct Factors {
    std::int16_t of[16];
  };

  static Factors LoadFactors(const std::byte* from) {
    Factors factors;
    std::memcpy(factors.of, from, sizeof(factors.of));
    return factors;
  }
  static void ExpandBytes(const std::byte* line, const Factors& factors, std::byte* to) {
    for (std::size_t i = 0; i < 64; ++i) {
      Expand(static_cast<std::int8_t>(line[i]), factors.of[i / 4], to + i);
    }
  }
  static void ExpandNibbles(const std::byte* line, const Factors& factors, std::byte* to) {
    for (std::size_t i = 0; i < 64; ++i) {
      Expand(static_cast<std::int8_t>(line[i] << 4), factors.of[i / 4], to + i);
      Expand(static_cast<std::int8_t>(line[i] & std::byte{0xf0}), factors.of[i / 4], to + 64 + i);
    }
  }
  static std::uint32_t LargestMagnitudeBits(const float* values) {
    std::uint32_t largest = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      largest = std::max(largest, std::bit_cast<std::uint32_t>(values[i]) & 0x7fffffffU);
    }
    return largest;
  }
  static void Quantize(const float* values, float inverse, std::byte* to) {
    for (std::size_t i = 0; i < 64; ++i) {
      const float a = std::nearbyint(values[i] * inverse);
      Split(std::isfinite(a) ? static_cast<std::int32_t>(a) : 0, to + i);
    }
  }
  static void AddChunk(const std::int32_t* products, const float* scales, const float* row_scales,
                       std::size_t rows, float* sums) {
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t o = 0; o < 32; ++o) {
        const std::int32_t* at = products + o / 16 * 512 + r * 16 + o % 16;
        float& sum = sums[r * 32 + o];
        sum = std::fma(static_cast<float>(256 * at[0] + at[256]), scales[o] * row_scales[r], sum);
      }
    }
  }

 private:
  static void Expand(int p, int factor, std::byte* to) { Split((p * factor + 64) >> 7, to); }
  static void Split(std::int32_t value, std::byte* to) {
    to[0] = static_cast<std::byte>((value + 128) >> 8);
    to[kTileBytes] = static_cast<std::byte>(value & 255);
  }
};

}  // namespace

const MatMulKernel& PlainAmxKernel() {
  static const AmxKernel<SoftwareTiles, PlainSteps> kernel;
  return kernel;
}

}  // namespace recycling::verifier
