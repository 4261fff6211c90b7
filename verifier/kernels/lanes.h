// Sixteen floats, in registers of the instruction set for which the including source is compiled.
// Each lane does IEEE arithmetic, so code written with Lanes gives the same bits in every build.
//
// Only the sources of vector_kernels may include this file. Everything here has internal linkage,
// so that the linker never uses code for one instruction set in place of code for another.
#ifndef RECYCLING_VERIFIER_KERNELS_LANES_H_
#define RECYCLING_VERIFIER_KERNELS_LANES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#else
#include "verifier/kernels/float_math.h"
#endif

namespace recycling::verifier {
namespace {

constexpr std::size_t kLanes = 16;

#if defined(__AVX512F__)

struct Lanes {
  __m512 v;

  static Lanes Splat(float x) { return {_mm512_set1_ps(x)}; }
  static Lanes Load(const float* at) { return {_mm512_loadu_ps(at)}; }
  static Lanes LoadHalf(const std::uint16_t* at) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)))};
  }
  void Store(float* at) const { _mm512_storeu_ps(at, v); }
  void StoreHalf(std::uint16_t* at) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at),
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  // Lanes 2i and 2i + 1 change places.
  Lanes SwapPairs() const { return {_mm512_permute_ps(v, 0xb1)}; }
  // Gives 2^n for each lane that holds n + 1.5 * 2^23, with n in [-127, 128].
  Lanes PowerOfTwo() const {
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(_mm512_castps_si512(v), 23),
                                                 _mm512_set1_epi32(0x3f800000)))};
  }
  // Keeps the first `count` lanes and sets the others to 0.
  Lanes First(std::size_t count) const {
    return {_mm512_maskz_mov_ps(static_cast<__mmask16>((1U << count) - 1), v)};
  }
  // Bit l is set if lane l is greater than lane l of x or if one of them is NaN.
  std::uint32_t NotAtMost(Lanes x) const { return _mm512_cmp_ps_mask(v, x.v, _CMP_NLE_UQ); }
};

inline Lanes operator+(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
// a * b + c, rounded once.
inline Lanes Madd(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// Max is a > b ? a : b, and Min is a < b ? a : b. Both give b if a or b is NaN.
inline Lanes Max(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Lanes Min(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }

#elif defined(__AVX2__)

struct Lanes {
  __m256 low;
  __m256 high;

  static Lanes Splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Lanes Load(const float* at) { return {_mm256_loadu_ps(at), _mm256_loadu_ps(at + 8)}; }
  static Lanes LoadHalf(const std::uint16_t* at) {
    const auto* halves = reinterpret_cast<const __m128i*>(at);
    return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
  }
  void Store(float* at) const {
    _mm256_storeu_ps(at, low);
    _mm256_storeu_ps(at + 8, high);
  }
  void StoreHalf(std::uint16_t* at) const {
    auto* halves = reinterpret_cast<__m128i*>(at);
    _mm_storeu_si128(halves, _mm256_cvtps_ph(low, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(high, _MM_FROUND_TO_NEAREST_INT));
  }
  Lanes SwapPairs() const { return {_mm256_permute_ps(low, 0xb1), _mm256_permute_ps(high, 0xb1)}; }
  Lanes PowerOfTwo() const { return {PowerOfTwo(low), PowerOfTwo(high)}; }
  Lanes First(std::size_t count) const {
    const __m256i limit = _mm256_set1_epi32(static_cast<int>(count));
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i keep_low = _mm256_cmpgt_epi32(limit, lane);
    const __m256i keep_high =
        _mm256_cmpgt_epi32(limit, _mm256_add_epi32(lane, _mm256_set1_epi32(8)));
    return {_mm256_and_ps(low, _mm256_castsi256_ps(keep_low)),
            _mm256_and_ps(high, _mm256_castsi256_ps(keep_high))};
  }
  std::uint32_t NotAtMost(Lanes x) const {
    const int l = _mm256_movemask_ps(_mm256_cmp_ps(low, x.low, _CMP_NLE_UQ));
    const int h = _mm256_movemask_ps(_mm256_cmp_ps(high, x.high, _CMP_NLE_UQ));
    return static_cast<std::uint32_t>(l) | (static_cast<std::uint32_t>(h) << 8);
  }

 private:
  static __m256 PowerOfTwo(__m256 x) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(x), 23),
                                                _mm256_set1_epi32(0x3f800000)));
  }
};

inline Lanes operator+(Lanes a, Lanes b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline Lanes operator-(Lanes a, Lanes b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
inline Lanes operator*(Lanes a, Lanes b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline Lanes operator/(Lanes a, Lanes b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
inline Lanes Madd(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline Lanes Max(Lanes a, Lanes b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
inline Lanes Min(Lanes a, Lanes b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}

#else

struct Lanes {
  using Four = float __attribute__((vector_size(16)));
  using FourBits = std::int32_t __attribute__((vector_size(16)));
  Four v[4];

  static Lanes Splat(float x) {
    const Four four = {x, x, x, x};
    return {{four, four, four, four}};
  }
  static Lanes Load(const float* at) {
    Lanes lanes;
    std::memcpy(lanes.v, at, sizeof(lanes.v));
    return lanes;
  }
  static Lanes LoadHalf(const std::uint16_t* at) {
    float floats[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) floats[i] = HalfToFloat(at[i]);
    return Load(floats);
  }
  void Store(float* at) const { std::memcpy(at, v, sizeof(v)); }
  void StoreHalf(std::uint16_t* at) const {
    float floats[kLanes];
    Store(floats);
    for (std::size_t i = 0; i < kLanes; ++i) at[i] = FloatToHalf(floats[i]);
  }
  Lanes SwapPairs() const {
    Lanes lanes;
    for (int i = 0; i < 4; ++i) lanes.v[i] = __builtin_shufflevector(v[i], v[i], 1, 0, 3, 2);
    return lanes;
  }
  Lanes PowerOfTwo() const {
    Lanes lanes;
    for (int i = 0; i < 4; ++i) {
      using FourWords = std::uint32_t __attribute__((vector_size(16)));
      lanes.v[i] = (Four)(((FourWords)v[i] << 23) + 0x3f800000U);
    }
    return lanes;
  }
  Lanes First(std::size_t count) const {
    float floats[kLanes];
    Store(floats);
    for (std::size_t i = count; i < kLanes; ++i) floats[i] = 0;
    return Load(floats);
  }
  std::uint32_t NotAtMost(Lanes x) const {
    std::uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) {
      const FourBits compared = v[i] <= x.v[i];
      std::int32_t at_most[4];
      std::memcpy(at_most, &compared, sizeof(at_most));
      for (int j = 0; j < 4; ++j) {
        bits |= (at_most[j] == 0 ? 1U : 0U) << (4 * i + j);
      }
    }
    return bits;
  }
};

#define RECYCLING_EACH_FOUR(expression)                  \
  Lanes lanes;                                           \
  for (int i = 0; i < 4; ++i) lanes.v[i] = (expression); \
  return lanes

inline Lanes::Four Select(Lanes::FourBits mask, Lanes::Four a, Lanes::Four b) {
  return (Lanes::Four)((mask & (Lanes::FourBits)a) | (~mask & (Lanes::FourBits)b));
}
inline Lanes operator+(const Lanes& a, const Lanes& b) { RECYCLING_EACH_FOUR(a.v[i] + b.v[i]); }
inline Lanes operator-(const Lanes& a, const Lanes& b) { RECYCLING_EACH_FOUR(a.v[i] - b.v[i]); }
inline Lanes operator*(const Lanes& a, const Lanes& b) { RECYCLING_EACH_FOUR(a.v[i] * b.v[i]); }
inline Lanes operator/(const Lanes& a, const Lanes& b) { RECYCLING_EACH_FOUR(a.v[i] / b.v[i]); }
// Calls fmaf for each lane if the compiler's baseline has no fused multiply-add.
inline Lanes Madd(const Lanes& a, const Lanes& b, const Lanes& c) {
  Lanes lanes;
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) lanes.v[i][j] = __builtin_fmaf(a.v[i][j], b.v[i][j], c.v[i][j]);
  }
  return lanes;
}
inline Lanes Max(const Lanes& a, const Lanes& b) {
  RECYCLING_EACH_FOUR(Select(a.v[i] > b.v[i], a.v[i], b.v[i]));
}
inline Lanes Min(const Lanes& a, const Lanes& b) {
  RECYCLING_EACH_FOUR(Select(a.v[i] < b.v[i], a.v[i], b.v[i]));
}
#undef RECYCLING_EACH_FOUR

#endif

// Loads the first `count` floats at `at`, and sets the other lanes to `fill`.
inline Lanes LoadFirst(const float* at, std::size_t count, float fill) {
  float floats[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) floats[i] = fill;
  std::memcpy(floats, at, count * sizeof(float));
  return Lanes::Load(floats);
}
inline void StoreFirst(const Lanes& x, float* at, std::size_t count) {
  float floats[kLanes];
  x.Store(floats);
  std::memcpy(at, floats, count * sizeof(float));
}

// The sum of the lanes: adds lane l + 8 to lane l, then l + 4 to l, then l + 2 to l, then 1 to 0.
inline float Sum(const Lanes& x) {
  float l[kLanes];
  x.Store(l);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) l[i] = l[i] + l[i + half];
  }
  return l[0];
}

// The larger of lanes l and l + 8, of l and l + 4, l and l + 2, 0 and 1, as Max has it.
#if defined(__AVX512F__) || defined(__AVX2__)
inline float Largest(const Lanes& x) {
#if defined(__AVX512F__)
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
#else
  const __m256 eight = _mm256_max_ps(x.low, x.high);
#endif
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}
#else
inline float Largest(const Lanes& x) {
  float l[kLanes];
  x.Store(l);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) l[i] = l[i] > l[i + half] ? l[i] : l[i + half];
  }
  return l[0];
}
#endif

// Gives the same bits as Exp of float_math.h.
inline Lanes Exp(const Lanes& x_in) {
  const auto c = [](float x) { return Lanes::Splat(x); };
  const Lanes x = Min(c(88.0F), Max(c(-87.0F), x_in));
  const Lanes shifted = x * c(1.44269504F) + c(12582912.0F);
  const Lanes n = shifted - c(12582912.0F);
  const Lanes r = (x - n * c(0.693359375F)) - n * c(-2.12194440e-4F);
  Lanes p = c(1.0F / 5040);
  p = p * r + c(1.0F / 720);
  p = p * r + c(1.0F / 120);
  p = p * r + c(1.0F / 24);
  p = p * r + c(1.0F / 6);
  p = p * r + c(0.5F);
  p = p * r + c(1.0F);
  p = p * r + c(1.0F);
  return p * shifted.PowerOfTwo();
}

// Exp of one number.
inline float FirstExp(float x) {
  float lanes[kLanes];
  Exp(Lanes::Splat(x)).Store(lanes);
  return lanes[0];
}

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_LANES_H_
