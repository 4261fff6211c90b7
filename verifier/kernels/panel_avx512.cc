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
#pragma clang attribute push(                                                               \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#endif

#include "verifier/kernels/panel_kernel.h"

namespace recycling::verifier {
namespace {

template <bool kVnni>
struct Avx512 {
  using Int = __m512i;
  using Float = __m512;
  static constexpr std::string_view kName = kVnni ? "avx512-vnni" : "avx512";
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kRowTile = 12;

  static Int Zero() { return _mm512_setzero_si512(); }
  static Int LoadInts(const std::byte* at) { return _mm512_loadu_si512(at); }
  static void StoreInts(std::byte* at, Int value) { _mm512_storeu_si512(at, value); }
  static Int WidenBytes(const std::byte* at) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  }
  template <bool kHigh>
  static Int WidenNibbles(const std::byte* at) {
    const Int bytes =
        _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    const Int nibbles =
        kHigh ? _mm512_srli_epi16(bytes, 4) : _mm512_and_si512(bytes, _mm512_set1_epi16(15));
    return _mm512_sub_epi16(nibbles, _mm512_set1_epi16(8));
  }
  static Int BroadcastPair(const std::int16_t* at) {
    std::int32_t pair;
    std::memcpy(&pair, at, sizeof(pair));
    return _mm512_set1_epi32(pair);
  }
  static Int AddProducts(Int sum, Int a, Int b) {
    if constexpr (kVnni) {
      // In assembly, because GCC 12 moves the sums of the intrinsic through memory.
      asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
      return sum;
    }
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
  }
  static Float ToFloat(Int value) { return _mm512_cvtepi32_ps(value); }

  static Float Load(const float* at) { return _mm512_loadu_ps(at); }
  static void Store(float* at, Float value) { _mm512_storeu_ps(at, value); }
  static Float LoadFloats(const std::byte* at) { return _mm512_loadu_ps(at); }
  static void StoreFloats(std::byte* at, Float value) { _mm512_storeu_ps(at, value); }
  static Float LoadHalves(const std::byte* at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  }
  static Float LoadBfloats(const std::byte* at) {
    const Int wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static Float Broadcast(float value) { return _mm512_set1_ps(value); }
  static Float Mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float Fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }

  // The bits of the largest magnitude of 32 floats.
  static std::uint32_t LargestMagnitudeBits(const float* block) {
    const Int mask = _mm512_set1_epi32(0x7fffffff);
    const Int a = _mm512_and_si512(_mm512_load_si512(block), mask);
    const Int b = _mm512_and_si512(_mm512_load_si512(block + 16), mask);
    return _mm512_reduce_max_epu32(_mm512_max_epu32(a, b));
  }
  static void Quantize(const float* block, float inverse, std::byte* out) {
    const Float by = _mm512_set1_ps(inverse);
    const auto half = [&](const float* at) {
      // If a number is not finite, the scale is NaN, and the integers do not matter.
      return _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_load_ps(at), by)));
    };
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), half(block));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 32), half(block + 16));
  }
};

}  // namespace

const MatMulKernel& Avx512Kernel() {
  static const PanelKernel<Avx512<false>> kernel;
  return kernel;
}

const MatMulKernel& Avx512VnniKernel() {
  static const PanelKernel<Avx512<true>> kernel;
  return kernel;
}

}  // namespace recycling::verifier

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
