#include "verifier/forward/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/base/status_macros.h"
#include "verifier/kernels/float_math.h"

namespace recycling::verifier {
namespace {

// The part of frequency i that stays as it is; the rest is divided by the factor. YaRN keeps the
// pairs that turn more than beta_fast times within the original context, and divides those that
// turn less than beta_slow times.
double KeptPart(const ModelConfig& config, std::uint32_t i) {
  const RopeScaling& scaling = config.rope_scaling;
  if (scaling.kind == RopeScaling::Kind::kLinear) return 0;
  const double dimensions = config.rope_dimensions;
  const auto pair_that_turns = [&](double times) {
    return dimensions * std::log(scaling.original_context / (2 * std::numbers::pi * times)) /
           (2 * std::log(config.rope_freq_base));
  };
  const double low = std::max(0.0, std::floor(pair_that_turns(scaling.beta_fast)));
  const double high = std::min(dimensions - 1, std::ceil(pair_that_turns(scaling.beta_slow)));
  return 1 - std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0);
}

}  // namespace

Rope::Rope(const ModelConfig& config, std::span<const float> factors, const VectorKernels& kernels)
    : kernels_(kernels),
      halves_(config.architecture.rotation == Rotation::kHalves),
      magnitude_(config.rope_scaling.magnitude) {
  for (std::uint32_t i = 0; i < config.rope_dimensions / 2; ++i) {
    const double factor = factors.empty() ? 1.0 : double{factors[i]};
    const double frequency =
        std::pow(config.rope_freq_base, -2.0 * i / config.rope_dimensions) / factor;
    const double kept = KeptPart(config, i);
    frequencies_.push_back(frequency / config.rope_scaling.factor * (1 - kept) + frequency * kept);
  }
}

Rope Rope::OfWindow(const ModelConfig& config, std::span<const float> factors,
                    const VectorKernels& kernels) {
  ModelConfig other = config;
  other.rope_freq_base = config.window_freq_base;
  if (config.architecture.window_rope_scaling) return {other, factors, kernels};
  other.rope_scaling = {};
  return {other, {}, kernels};
}

absl::Status Rope::Reserve(std::size_t rows) {
  RETURN_IF_ERROR(tables_.Reserve(rows, "rotations"));
  RETURN_IF_ERROR(cosines_.Reserve(rows * 2 * frequencies_.size(), "rotations"));
  return sines_.Reserve(rows * 2 * frequencies_.size(), "rotations");
}

void Rope::SetPositions(std::span<const std::uint32_t> positions) {
  const std::size_t pairs = frequencies_.size();
  std::size_t at = 0;
  for (std::size_t row = 0; row < positions.size(); ++row) {
    if (row > 0 &&
        positions[row] == positions[row - 1]) {  // rows at the same position share a table
      tables_.data()[row] = tables_.data()[row - 1];
      continue;
    }
    tables_.data()[row] = at;
    float* const cosines = cosines_.data() + at;
    float* const sines = sines_.data() + at;
    for (std::size_t i = 0; i < pairs; ++i) {
      const SinCos turn = SineCosine(positions[row] * frequencies_[i]);
      const std::size_t first = halves_ ? i : 2 * i;
      const std::size_t second = halves_ ? i + pairs : 2 * i + 1;
      const auto sine = static_cast<float>(turn.sin * magnitude_);
      cosines[first] = cosines[second] = static_cast<float>(turn.cos * magnitude_);
      sines[first] = -sine;
      sines[second] = sine;
    }
    at += 2 * pairs;
  }
}

void Rope::Turn(std::size_t row, std::size_t heads, std::size_t head_size, float* x) const {
  const float* const cosines = cosines_.data() + tables_.data()[row];
  const float* const sines = sines_.data() + tables_.data()[row];
  const auto turn = halves_ ? kernels_.turn_halves : kernels_.turn_pairs;
  for (std::size_t head = 0; head < heads; ++head, x += head_size) {
    turn(cosines, sines, 2 * frequencies_.size(), x);
  }
}

}  // namespace recycling::verifier
