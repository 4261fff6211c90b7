// The Isa of packed_format.h in plain C++.
#ifndef RECYCLING_VERIFIER_KERNELS_ISA_PORTABLE_H_
#define RECYCLING_VERIFIER_KERNELS_ISA_PORTABLE_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "verifier/kernels/float_math.h"
#include "verifier/kernels/packed_format.h"

namespace recycling::verifier {
namespace {

// Vectors of eight outputs, for any machine. They are slow: if the compiler's baseline has no fused
// multiply-add, each one is a function call.
struct Portable {
  static constexpr std::size_t kOutputs = 8;
  static constexpr std::size_t kBytes = 32;
  static constexpr std::size_t kRowTile = 1;
  static constexpr bool kSignedBytes = true;
  static constexpr bool kPairSums = false;
  static constexpr std::string_view kName = "portable";

  template <typename T, std::size_t kCount>
  struct Vector {
    T v[kCount];
    T& operator[](std::size_t i) { return v[i]; }
    T operator[](std::size_t i) const { return v[i]; }
  };
  using Bytes = Vector<std::uint8_t, kBytes>;
  using Int = Vector<std::int32_t, kOutputs>;
  using Float = Vector<float, kOutputs>;
  using Floats = Portable;

  template <typename V, typename F>
  static V Each(F f) {
    V out;
    for (std::size_t i = 0; i < sizeof(out.v) / sizeof(out.v[0]); ++i) {
      out.v[i] = static_cast<std::remove_reference_t<decltype(out.v[0])>>(f(i));
    }
    return out;
  }
  template <typename V>
  static V Copy(const void* at) {
    V out;
    std::memcpy(out.v, at, sizeof(out.v));
    return out;
  }

  static Bytes LoadBytes(const std::byte* at) { return Copy<Bytes>(at); }
  static void StoreBytes(std::byte* at, const Bytes& value) {
    std::memcpy(at, value.v, sizeof(value.v));
  }
  static Bytes FromSignedBytes(const Bytes& value) { return value; }
  template <int kShift, int kMask>
  static Bytes Field(const Bytes& value) {
    return Each<Bytes>([&](std::size_t i) { return value[i] >> kShift & kMask; });
  }
  template <int kShift>
  static Bytes ShiftLeft(const Bytes& value) {
    return Each<Bytes>([&](std::size_t i) { return value[i] << kShift; });
  }
  static Bytes Subtract(const Bytes& a, int b) {
    return Each<Bytes>([&](std::size_t i) { return a[i] - b; });
  }
  static Bytes Or(const Bytes& a, const Bytes& b) {
    return Each<Bytes>([&](std::size_t i) { return a[i] | b[i]; });
  }
  template <int kOn>
  static Bytes SpreadBits(const std::byte* at) {
    return Each<Bytes>(
        [&](std::size_t i) { return (std::to_integer<unsigned>(at[i / 8]) >> i % 8 & 1U) * kOn; });
  }
  static Bytes Lookup(const std::int8_t* table, const Bytes& index) {
    return Each<Bytes>([&](std::size_t i) { return table[index[i]]; });
  }
  static Bytes BroadcastBytes(const std::byte* at) {
    return Each<Bytes>([&](std::size_t i) { return std::to_integer<unsigned>(at[i % 4]); });
  }

  static Int ZeroInt() { return {}; }
  static Int SplatInt(int value) {
    return Each<Int>([&](std::size_t) { return value; });
  }
  static Int BroadcastInt(const std::byte* at) {
    int value;
    std::memcpy(&value, at, sizeof(value));
    return SplatInt(value);
  }
  static Int LoadInt(const std::int32_t* at) { return Copy<Int>(at); }
  static Int ShiftLeftBy(const Int& value, const Int& counts) {
    return Each<Int>([&](std::size_t i) {
      return static_cast<std::int32_t>(static_cast<std::uint32_t>(value[i]) << counts[i]);
    });
  }
  template <bool kWide>
  static Int Dot(const Int& sum, const Bytes& w, const Bytes& x) {
    return Each<Int>([&](std::size_t i) {
      int added = 0;
      for (std::size_t j = 4 * i; j < 4 * i + 4; ++j) {
        const int weight = kWide ? static_cast<std::int8_t>(w[j]) : int{w[j]};
        added += weight * static_cast<std::int8_t>(x[j]);
      }
      return sum[i] + added;
    });
  }
  static Float ToFloat(const Int& value) {
    return Each<Float>([&](std::size_t i) { return static_cast<float>(value[i]); });
  }

  static Float ZeroFloat() { return {}; }
  static Float Splat(float value) {
    return Each<Float>([&](std::size_t) { return value; });
  }
  static Float BroadcastFloat(const std::byte* at) {
    float value;
    std::memcpy(&value, at, sizeof(value));
    return Splat(value);
  }
  static Float Load(const float* at) { return Copy<Float>(at); }
  static void Store(float* at, const Float& value) { std::memcpy(at, value.v, sizeof(value.v)); }
  static Float LoadFloats(const std::byte* at) { return Copy<Float>(at); }
  static Float LoadHalves(const std::byte* at) {
    return Each<Float>([&](std::size_t i) { return HalfToFloat(LoadU16(at + 2 * i)); });
  }
  static Float LoadBfloats(const std::byte* at) {
    return Each<Float>([&](std::size_t i) { return Bfloat16ToFloat(LoadU16(at + 2 * i)); });
  }
  static Float FromUnsigned(const std::byte* at) {
    return Each<Float>(
        [&](std::size_t i) { return static_cast<float>(std::to_integer<unsigned>(at[i])); });
  }
  static Float FromSigned(const std::byte* at) {
    return Each<Float>(
        [&](std::size_t i) { return static_cast<float>(static_cast<std::int8_t>(at[i])); });
  }
  static Float Mul(const Float& a, const Float& b) {
    return Each<Float>([&](std::size_t i) { return a[i] * b[i]; });
  }
  static Float Negate(const Float& a) {
    return Each<Float>([&](std::size_t i) { return -a[i]; });
  }
  static Float Fma(const Float& a, const Float& b, const Float& c) {
    return Each<Float>([&](std::size_t i) { return std::fma(a[i], b[i], c[i]); });
  }
  static Float MinusFma(const Float& a, const Float& b, const Float& c) {
    return Each<Float>([&](std::size_t i) { return std::fma(-a[i], b[i], c[i]); });
  }

  static std::uint32_t LargestMagnitudeBits(const float* block) {
    std::uint32_t largest = 0;
    for (std::size_t i = 0; i < kBlockColumns; ++i) {
      largest = std::max(largest, std::bit_cast<std::uint32_t>(block[i]) & 0x7fffffffU);
    }
    return largest;
  }
  static void Quantize(const float* block, float factor, std::int8_t* out) {
    for (std::size_t i = 0; i < kBlockColumns; ++i) {
      const float rounded = std::nearbyintf(block[i] * factor);
      const bool in_range = rounded >= -127.0F && rounded <= 127.0F;  // false for NaN
      out[i] = static_cast<std::int8_t>(in_range ? rounded : -127.0F);
    }
  }
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_ISA_PORTABLE_H_
