// The steps of AmxKernel that do not use tiles, with AVX-512 BW. Include it after a target pragma,
// as amx_kernel.h.
#ifndef RECYCLING_VERIFIER_KERNELS_AMX_STEPS_AVX512_H_
#define RECYCLING_VERIFIER_KERNELS_AMX_STEPS_AVX512_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/amx_layout.h"

namespace recycling::verifier {
namespace {

struct Avx512Steps {
  using Factors = __m512i;  // the factor of each output twice, once for each of two columns

  static Factors LoadFactors(const std::byte* from) {
    const __m512i wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    return _mm512_or_si512(wide, _mm512_slli_epi32(wide, 16));
  }

  static void ExpandBytes(const std::byte* line, Factors factors, std::byte* to) {
    const __m512i p = _mm512_loadu_si512(line);
    Expand(_mm512_slli_epi16(p, 8), _mm512_andnot_si512(LowBytes(), p), factors, to);
  }

  static void ExpandNibbles(const std::byte* line, Factors factors, std::byte* to) {
    const __m512i p = _mm512_loadu_si512(line);
    const __m512i top = _mm512_set1_epi16(static_cast<short>(0xf000));
    Expand(_mm512_slli_epi16(p, 12), _mm512_and_si512(_mm512_slli_epi16(p, 4), top), factors, to);
    Expand(_mm512_and_si512(_mm512_slli_epi16(p, 8), top), _mm512_and_si512(p, top), factors,
           to + 64);
  }

  static std::uint32_t LargestMagnitudeBits(const float* values) {
    const __m512i mask = _mm512_set1_epi32(0x7fffffff);
    __m512i largest = _mm512_setzero_si512();
    for (std::size_t i = 0; i < kTileColumns; i += 16) {
      largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_loadu_si512(values + i), mask));
    }
    return _mm512_reduce_max_epu32(largest);
  }

  static void Quantize(const float* values, float inverse, std::byte* to) {
    for (std::size_t i = 0; i < kTileColumns; i += 16) {
      // If a number is not finite, the scale is NaN, and the integers do not matter.
      const __m512i a =
          _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(values + i), _mm512_set1_ps(inverse)));
      const __m512i high = _mm512_srai_epi32(_mm512_add_epi32(a, _mm512_set1_epi32(128)), 8);
      StoreBytes(to + i, high);
      StoreBytes(to + kTileBytes + i, a);
    }
  }

  static void AddChunk(const std::int32_t* products, const float* scales, const float* row_scales,
                       std::size_t rows, float* sums) {
    constexpr std::size_t kValues = kTileBytes / sizeof(std::int32_t);
    for (std::size_t half = 0; half < 2; ++half, products += 2 * kValues) {
      const __m512 scale = _mm512_loadu_ps(scales + half * 16);
      for (std::size_t r = 0; r < rows; ++r) {
        const __m512i high = _mm512_loadu_si512(products + r * 16);
        const __m512i rest = _mm512_loadu_si512(products + kValues + r * 16);
        const __m512i all = _mm512_add_epi32(_mm512_slli_epi32(high, 8), rest);
        float* sum = sums + r * kPanelOutputs + half * 16;
        _mm512_storeu_ps(sum, _mm512_fmadd_ps(_mm512_cvtepi32_ps(all),
                                              _mm512_mul_ps(scale, _mm512_set1_ps(row_scales[r])),
                                              _mm512_loadu_ps(sum)));
      }
    }
  }

 private:
  static __m512i LowBytes() { return _mm512_set1_epi16(255); }

  // `even` and `odd` hold 256 p of the columns in the even and the odd bytes.
  static void Expand(__m512i even, __m512i odd, Factors factors, std::byte* to) {
    // floor(256 p F / 2^15 + 1/2)
    even = _mm512_mulhrs_epi16(even, factors);
    odd = _mm512_mulhrs_epi16(odd, factors);
    const __m512i half = _mm512_set1_epi16(128);
    const __m512i high_even = _mm512_srli_epi16(_mm512_add_epi16(even, half), 8);
    const __m512i high_odd = _mm512_add_epi16(odd, half);
    _mm512_storeu_si512(to, Select(high_even, high_odd));
    _mm512_storeu_si512(to + kTileBytes, Select(even, _mm512_slli_epi16(odd, 8)));
  }
  // Takes the even bytes of a and the odd bytes of b.
  static __m512i Select(__m512i a, __m512i b) {
    return _mm512_ternarylogic_epi32(LowBytes(), a, b, 0xca);
  }
  static void StoreBytes(std::byte* to, __m512i values) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(values));
  }
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_AMX_STEPS_AVX512_H_
