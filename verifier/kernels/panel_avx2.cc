#include "verifier/kernels/panel_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "verifier/kernels/panel_layout.h"
// All headers that the loops need are included before the pragma. So no function that other sources
// share is compiled for this instruction set.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

#include "verifier/kernels/panel_kernel.h"

namespace recycling::verifier {
namespace {

struct Avx2 {
  using Int = __m256i;
  using Float = __m256;
  static constexpr std::string_view kName = "avx2";
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kRowTile = 4;

  static Int Zero() { return _mm256_setzero_si256(); }
  static Int LoadInts(const std::byte* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
  static void StoreInts(std::byte* at, Int value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
  }
  static Int WidenBytes(const std::byte* at) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  }
  template <bool kHigh>
  static Int WidenNibbles(const std::byte* at) {
    const Int bytes = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    const Int nibbles =
        kHigh ? _mm256_srli_epi16(bytes, 4) : _mm256_and_si256(bytes, _mm256_set1_epi16(15));
    return _mm256_sub_epi16(nibbles, _mm256_set1_epi16(8));
  }
  static Int BroadcastPair(const std::int16_t* at) {
    std::int32_t pair;
    std::memcpy(&pair, at, sizeof(pair));
    return _mm256_set1_epi32(pair);
  }
  static Int AddProducts(Int sum, Int a, Int b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  }
  static Float ToFloat(Int value) { return _mm256_cvtepi32_ps(value); }

  static Float Load(const float* at) { return _mm256_loadu_ps(at); }
  static void Store(float* at, Float value) { _mm256_storeu_ps(at, value); }
  static Float LoadFloats(const std::byte* at) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(at));
  }
  static void StoreFloats(std::byte* at, Float value) {
    _mm256_storeu_ps(reinterpret_cast<float*>(at), value);
  }
  static Float LoadHalves(const std::byte* at) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  }
  static Float LoadBfloats(const std::byte* at) {
    const Int wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
  static Float Broadcast(float value) { return _mm256_set1_ps(value); }
  static Float Mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float Fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }

  // The bits of the largest magnitude of 32 floats.
  static std::uint32_t LargestMagnitudeBits(const float* block) {
    const Int mask = _mm256_set1_epi32(0x7fffffff);
    Int largest = _mm256_setzero_si256();
    for (int i = 0; i < 32; i += 8) {
      const Int bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(block + i));
      largest = _mm256_max_epu32(largest, _mm256_and_si256(bits, mask));
    }
    std::uint32_t lanes[8];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), largest);
    return *std::max_element(lanes, lanes + 8);
  }
  static void Quantize(const float* block, float inverse, std::byte* out) {
    const Float by = _mm256_set1_ps(inverse);
    for (int i = 0; i < 32; i += 16) {
      // If a number is not finite, the scale is NaN, and the integers do not matter.
      const Int low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_load_ps(block + i), by));
      const Int high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_load_ps(block + i + 8), by));
      // Packs within halves of 128 bits: [low 0-3, high 0-3, low 4-7, high 4-7].
      const Int packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * i), packed);
    }
  }
};

}  // namespace

const MatMulKernel& Avx2Kernel() {
  static const PanelKernel<Avx2> kernel;
  return kernel;
}

}  // namespace recycling::verifier

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
