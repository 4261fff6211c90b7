// The Isa of packed_format.h for AVX-512. A source includes this file after its target pragma.
// Everything here is in an unnamed namespace, so it is compiled for that target only.
#ifndef RECYCLING_VERIFIER_KERNELS_ISA_AVX512_H_
#define RECYCLING_VERIFIER_KERNELS_ISA_AVX512_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace recycling::verifier {
namespace {

// The floats of both AVX-512 kernels. Loops over floats take this type, so that they are compiled
// once.
struct Avx512Floats {
  using Int = __m512i;
  using Float = __m512;
  using Floats = Avx512Floats;
  static constexpr std::size_t kOutputs = 16;
  static constexpr std::size_t kRowTile = 6;

  static Float ToFloat(Int value) { return _mm512_cvtepi32_ps(value); }

  static Float ZeroFloat() { return _mm512_setzero_ps(); }
  static Float Splat(float value) { return _mm512_set1_ps(value); }
  static Float BroadcastFloat(const std::byte* at) {
    float value;
    std::memcpy(&value, at, sizeof(value));
    return _mm512_set1_ps(value);
  }
  static Float Load(const float* at) { return _mm512_loadu_ps(at); }
  static void Store(float* at, Float value) { _mm512_storeu_ps(at, value); }
  static Float LoadFloats(const std::byte* at) { return _mm512_loadu_ps(at); }
  static Float LoadHalves(const std::byte* at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  }
  static Float LoadBfloats(const std::byte* at) {
    const Int wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static Float FromUnsigned(const std::byte* at) {
    return ToFloat(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
  }
  static Float FromSigned(const std::byte* at) {
    return ToFloat(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
  }
  static Float Mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float Negate(Float a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0F)); }
  static Float Fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  // c - a b, rounded once.
  static Float MinusFma(Float a, Float b, Float c) { return _mm512_fnmadd_ps(a, b, c); }
};

// kVnni: multiplies unsigned with signed bytes and adds the products in one instruction.
template <bool kVnni>
struct Avx512 : Avx512Floats {
  using Bytes = __m512i;
  static constexpr std::string_view kName = kVnni ? "avx512-vnni" : "avx512";
  static constexpr std::size_t kBytes = 64;
  static constexpr bool kSignedBytes = !kVnni;
  static constexpr bool kPairSums = !kVnni;

  static Bytes LoadBytes(const std::byte* at) { return _mm512_loadu_si512(at); }
  static void StoreBytes(std::byte* at, Bytes value) { _mm512_storeu_si512(at, value); }
  static Bytes FromSignedBytes(Bytes value) {
    return kVnni ? _mm512_xor_si512(value, _mm512_set1_epi8(-128)) : value;
  }
  template <int kShift, int kMask>
  static Bytes Field(Bytes value) {
    if constexpr (kShift > 0) value = _mm512_srli_epi16(value, kShift);
    return _mm512_and_si512(value, _mm512_set1_epi8(kMask));
  }
  template <int kShift>
  static Bytes ShiftLeft(Bytes value) {
    return _mm512_slli_epi16(value, kShift);
  }
  static Bytes Subtract(Bytes a, int b) {
    return _mm512_sub_epi8(a, _mm512_set1_epi8(static_cast<char>(b)));
  }
  static Bytes Or(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
  template <int kOn>
  static Bytes SpreadBits(const std::byte* at) {
    std::uint64_t bits;
    std::memcpy(&bits, at, sizeof(bits));
    return _mm512_maskz_mov_epi8(bits, _mm512_set1_epi8(kOn));
  }
  static Bytes Lookup(const std::int8_t* table, Bytes index) {
    const Bytes values =
        _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
    return _mm512_shuffle_epi8(FromSignedBytes(values), index);
  }
  static Bytes BroadcastBytes(const std::byte* at) { return BroadcastInt(at); }

  static Int ZeroInt() { return _mm512_setzero_si512(); }
  static Int SplatInt(int value) { return _mm512_set1_epi32(value); }
  static Int BroadcastInt(const std::byte* at) {
    int value;
    std::memcpy(&value, at, sizeof(value));
    return _mm512_set1_epi32(value);
  }
  static Int LoadInt(const std::int32_t* at) { return _mm512_loadu_si512(at); }
  static Int ShiftLeftBy(Int value, Int counts) { return _mm512_sllv_epi32(value, counts); }
  // The sums of the products of two neighbouring bytes of w, which is unsigned, and x, in 16 bits.
  static Int MultiplyPairs(Bytes w, Bytes x) { return _mm512_maddubs_epi16(w, x); }
  static Int AddPairs(Int a, Int b) { return _mm512_add_epi16(a, b); }
  // Adds two neighbouring sums of pairs to each sum.
  static Int SumPairs(Int sum, Int pairs) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
  // Adds the products of four neighbouring bytes of w and x to each sum. If kWide, w uses all eight
  // bits.
  template <bool kWide>
  static Int Dot(Int sum, Bytes w, Bytes x) {
    if constexpr (kVnni) {
      // Uses assembly, because GCC 12 stores and reloads the sums around the intrinsic.
      asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
      return sum;
    }
    Int pairs;
    if constexpr (kWide) {
      // Multiplies |w| with x that has taken w's sign. Two products are at most 2 x 128 x 127,
      // which fits into 16 bits.
      const Bytes signed_x =
          _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x);
      pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(w), signed_x);
    } else {
      pairs = _mm512_maddubs_epi16(w, x);
    }
    return SumPairs(sum, pairs);
  }
  // The bits of the largest magnitude of 32 floats.
  static std::uint32_t LargestMagnitudeBits(const float* block) {
    const Int mask = _mm512_set1_epi32(0x7fffffff);
    const Int a = _mm512_and_si512(_mm512_loadu_si512(block), mask);
    const Int b = _mm512_and_si512(_mm512_loadu_si512(block + 16), mask);
    return _mm512_reduce_max_epu32(_mm512_max_epu32(a, b));
  }
  // Multiplies 32 floats by `factor` and rounds them, ties to even. If `factor` is 0, finite floats
  // give 0. A float that is not finite gives some byte in [-127, 127]. That byte has no effect,
  // because the scale is then not a number.
  static void Quantize(const float* block, float factor, std::int8_t* out) {
    const Float by = _mm512_set1_ps(factor);
    const auto half = [&](const float* at) {
      const Int wide = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(at), by));
      return _mm512_cvtsepi32_epi8(_mm512_max_epi32(wide, _mm512_set1_epi32(-127)));
    };
    // One store, because the next loads read all 32 bytes. Two stores would delay them.
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_set_m128i(half(block + 16), half(block)));
  }
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_ISA_AVX512_H_
