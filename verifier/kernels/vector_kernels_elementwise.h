// Element-wise loops over one row. Only the sources of vector_kernels may include this file; see
// lanes.h.
#ifndef RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_ELEMENTWISE_H_
#define RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_ELEMENTWISE_H_

#include "verifier/kernels/lanes.h"

namespace recycling::verifier {
namespace {

void RmsNorm(const float* x, const float* weight, std::size_t n, float epsilon, float* out) {
  Lanes sum = Lanes::Splat(0);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Lanes v = Lanes::Load(x + i);
    sum = sum + v * v;
  }
  if (i < n) {
    const Lanes v = LoadFirst(x + i, n - i, 0);
    sum = sum + v * v;
  }
  const float mean = Sum(sum) / static_cast<float>(n);
  const Lanes scale = Lanes::Splat(1.0F / __builtin_sqrtf(mean + epsilon));
  for (i = 0; i + kLanes <= n; i += kLanes) {
    (Lanes::Load(x + i) * scale * Lanes::Load(weight + i)).Store(out + i);
  }
  if (i < n) {
    const Lanes v = LoadFirst(x + i, n - i, 0) * scale * LoadFirst(weight + i, n - i, 0);
    StoreFirst(v, out + i, n - i);
  }
}

inline Lanes Silu(const Lanes& x) {
  return x / (Lanes::Splat(1.0F) + Exp(Lanes::Splat(-0.0F) - x));
}

// x / 2 (1 + tanh(t)) = x / (1 + e^-2t), t = sqrt(2 / pi) (x + 0.044715 x^3).
inline Lanes GeluTanh(const Lanes& x) {
  const Lanes minus_2t = x * (Lanes::Splat(-1.59576912F) + Lanes::Splat(-0.0713548163F) * (x * x));
  return x / (Lanes::Splat(1.0F) + Exp(minus_2t));
}

// out[i] = activation(gate[i]) * up[i].
template <Lanes (*kActivation)(const Lanes&)>
void GateTimes(const float* gate, const float* up, std::size_t n, float* out) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    (kActivation(Lanes::Load(gate + i)) * Lanes::Load(up + i)).Store(out + i);
  }
  if (i < n) {
    const Lanes last = LoadFirst(gate + i, n - i, 0);
    StoreFirst(kActivation(last) * LoadFirst(up + i, n - i, 0), out + i, n - i);
  }
}

void SoftCap(float cap, std::size_t n, float* x) {
  const Lanes factor = Lanes::Splat(-2.0F / cap);
  const auto capped = [&](const Lanes& v) {
    const Lanes tanh = Lanes::Splat(2.0F) / (Lanes::Splat(1.0F) + Exp(v * factor));
    return Lanes::Splat(cap) * (tanh - Lanes::Splat(1.0F));
  };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) capped(Lanes::Load(x + i)).Store(x + i);
  if (i < n) StoreFirst(capped(LoadFirst(x + i, n - i, 0)), x + i, n - i);
}

void TurnPairs(const float* cosines, const float* sines, std::size_t n, float* x) {
  const auto turn = [](const Lanes& v, const Lanes& cosine, const Lanes& sine) {
    return v * cosine + v.SwapPairs() * sine;
  };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    turn(Lanes::Load(x + i), Lanes::Load(cosines + i), Lanes::Load(sines + i)).Store(x + i);
  }
  if (i < n) {
    const std::size_t left = n - i;
    StoreFirst(turn(LoadFirst(x + i, left, 0), LoadFirst(cosines + i, left, 0),
                    LoadFirst(sines + i, left, 0)),
               x + i, left);
  }
}

void TurnHalves(const float* cosines, const float* sines, std::size_t n, float* x) {
  const std::size_t half = n / 2;
  float* const low = x;
  float* const high = x + half;
  std::size_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const Lanes a = Lanes::Load(low + i);
    const Lanes b = Lanes::Load(high + i);
    (a * Lanes::Load(cosines + i) + b * Lanes::Load(sines + i)).Store(low + i);
    (b * Lanes::Load(cosines + half + i) + a * Lanes::Load(sines + half + i)).Store(high + i);
  }
  for (; i < half; ++i) {
    const float a = low[i];
    const float b = high[i];
    low[i] = a * cosines[i] + b * sines[i];
    high[i] = b * cosines[half + i] + a * sines[half + i];
  }
}

void ToHalf(const float* from, std::size_t n, std::uint16_t* to) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Lanes::Load(from + i).StoreHalf(to + i);
  if (i < n) {
    std::uint16_t halves[kLanes];
    LoadFirst(from + i, n - i, 0).StoreHalf(halves);
    std::memcpy(to + i, halves, (n - i) * sizeof(std::uint16_t));
  }
}

void FromHalf(const std::uint16_t* from, std::size_t n, float* to) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Lanes::LoadHalf(from + i).Store(to + i);
  if (i < n) {
    std::uint16_t halves[kLanes] = {};
    std::memcpy(halves, from + i, (n - i) * sizeof(std::uint16_t));
    StoreFirst(Lanes::LoadHalf(halves), to + i, n - i);
  }
}

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_ELEMENTWISE_H_
