// The Isa of packed_format.h for AVX2. A source includes this file after its target pragma.
// Everything here is in an unnamed namespace, so it is compiled for that target only.
#ifndef RECYCLING_VERIFIER_KERNELS_ISA_AVX2_H_
#define RECYCLING_VERIFIER_KERNELS_ISA_AVX2_H_

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace recycling::verifier {
namespace {

struct Avx2 {
  using Bytes = __m256i;
  using Int = __m256i;
  using Float = __m256;
  using Floats = Avx2;
  static constexpr std::string_view kName = "avx2";
  static constexpr std::size_t kOutputs = 8;
  static constexpr std::size_t kBytes = 32;
  static constexpr std::size_t kRowTile = 4;
  static constexpr bool kSignedBytes = true;
  static constexpr bool kPairSums = true;

  static Bytes LoadBytes(const std::byte* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
  static void StoreBytes(std::byte* at, Bytes value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
  }
  static Bytes FromSignedBytes(Bytes value) { return value; }
  template <int kShift, int kMask>
  static Bytes Field(Bytes value) {
    if constexpr (kShift > 0) value = _mm256_srli_epi16(value, kShift);
    return _mm256_and_si256(value, _mm256_set1_epi8(kMask));
  }
  template <int kShift>
  static Bytes ShiftLeft(Bytes value) {
    return _mm256_slli_epi16(value, kShift);
  }
  static Bytes Or(Bytes a, Bytes b) { return _mm256_or_si256(a, b); }
  template <int kOn>
  static Bytes SpreadBits(const std::byte* at) {
    int bits;
    std::memcpy(&bits, at, sizeof(bits));
    // Copies byte i / 8 of the bits to byte i, and then tests bit i % 8 of it.
    const Bytes spread = _mm256_shuffle_epi8(
        _mm256_set1_epi32(bits),
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
    const Bytes bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ULL));
    const Bytes on = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    return _mm256_and_si256(on, _mm256_set1_epi8(kOn));
  }
  static Bytes Lookup(const std::int8_t* table, Bytes index) {
    const Bytes values =
        _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
    return _mm256_shuffle_epi8(values, index);
  }
  static Bytes BroadcastBytes(const std::byte* at) { return BroadcastInt(at); }

  static Int ZeroInt() { return _mm256_setzero_si256(); }
  static Int SplatInt(int value) { return _mm256_set1_epi32(value); }
  static Int BroadcastInt(const std::byte* at) {
    int value;
    std::memcpy(&value, at, sizeof(value));
    return _mm256_set1_epi32(value);
  }
  static Int ShiftLeftBy(Int value, Int counts) { return _mm256_sllv_epi32(value, counts); }
  // The sums of the products of two neighbouring bytes of w, which is unsigned, and x, in 16 bits.
  static Int MultiplyPairs(Bytes w, Bytes x) { return _mm256_maddubs_epi16(w, x); }
  static Int AddPairs(Int a, Int b) { return _mm256_add_epi16(a, b); }
  // Adds two neighbouring sums of pairs to each sum.
  static Int SumPairs(Int sum, Int pairs) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  // Adds the products of four neighbouring bytes of w and x to each sum. If kWide, w is signed and
  // uses all eight bits.
  template <bool kWide>
  static Int Dot(Int sum, Bytes w, Bytes x) {
    // If kWide, |w| is multiplied with x that has taken w's sign. Two products are at most 2 x 128
    // x 127, which fits into 16 bits.
    const Int pairs = kWide ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
                            : _mm256_maddubs_epi16(w, x);
    return SumPairs(sum, pairs);
  }
  static Float ToFloat(Int value) { return _mm256_cvtepi32_ps(value); }

  static Float ZeroFloat() { return _mm256_setzero_ps(); }
  static Float Splat(float value) { return _mm256_set1_ps(value); }
  static Float BroadcastFloat(const std::byte* at) {
    float value;
    std::memcpy(&value, at, sizeof(value));
    return _mm256_set1_ps(value);
  }
  static Float Load(const float* at) { return _mm256_loadu_ps(at); }
  static void Store(float* at, Float value) { _mm256_storeu_ps(at, value); }
  static Float LoadFloats(const std::byte* at) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(at));
  }
  static Float LoadHalves(const std::byte* at) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  }
  static Float LoadBfloats(const std::byte* at) {
    const Int wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
  static Float FromUnsigned(const std::byte* at) {
    return ToFloat(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
  }
  static Float FromSigned(const std::byte* at) {
    return ToFloat(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
  }
  static Float Mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float Negate(Float a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0F)); }
  static Float Fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  // c - a b, rounded once.
  static Float MinusFma(Float a, Float b, Float c) { return _mm256_fnmadd_ps(a, b, c); }

  // The bits of the largest magnitude of 32 floats.
  static std::uint32_t LargestMagnitudeBits(const float* block) {
    const Int mask = _mm256_set1_epi32(0x7fffffff);
    Int largest = _mm256_setzero_si256();
    for (int i = 0; i < 32; i += 8) {
      const Int bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + i));
      largest = _mm256_max_epu32(largest, _mm256_and_si256(bits, mask));
    }
    std::uint32_t lanes[8];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), largest);
    return *std::max_element(lanes, lanes + 8);
  }
  // Multiplies 32 floats by `factor` and rounds them, ties to even. If `factor` is 0, finite floats
  // give 0. A float that is not finite gives some byte in [-127, 127]. That byte has no effect,
  // because the scale is then not a number.
  static void Quantize(const float* block, float factor, std::int8_t* out) {
    const Float by = _mm256_set1_ps(factor);
    const auto eight = [&](int i) {
      return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(block + i), by));
    };
    // The pack instructions work within 128-bit lanes; the permutation restores the order.
    const Int low = _mm256_packs_epi32(eight(0), eight(8));
    const Int high = _mm256_packs_epi32(eight(16), eight(24));
    const Int bytes = _mm256_max_epi8(_mm256_packs_epi16(low, high), _mm256_set1_epi8(-127));
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(out),
        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  }
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_ISA_AVX2_H_
