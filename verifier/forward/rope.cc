#include "verifier/forward/rope.h"

#include <cmath>

#include "common/base/status_macros.h"
#include "verifier/kernels/float_math.h"

namespace recycling::verifier {

Rope::Rope(const ModelConfig& config, std::span<const float> factors, const VectorKernels& kernels)
    : kernels_(kernels), halves_(config.architecture.rotation == Rotation::kHalves) {
  for (std::uint32_t i = 0; i < config.rope_dimensions / 2; ++i) {
    const double factor = factors.empty() ? 1.0 : double{factors[i]};
    frequencies_.push_back(std::pow(config.rope_freq_base, -2.0 * i / config.rope_dimensions) /
                           factor);
  }
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
      cosines[first] = cosines[second] = static_cast<float>(turn.cos);
      sines[first] = -static_cast<float>(turn.sin);
      sines[second] = static_cast<float>(turn.sin);
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
