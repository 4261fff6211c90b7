#include "verifier/forward/rope.h"

#include <cmath>

#include "common/base/status_macros.h"
#include "verifier/kernels/float_math.h"

namespace recycling::verifier {

Rope::Rope(const ModelConfig& config, std::span<const float> factors, const VectorKernels& kernels)
    : kernels_(kernels) {
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
  std::size_t at = 0;
  for (std::size_t row = 0; row < positions.size(); ++row) {
    if (row > 0 && positions[row] == positions[row - 1]) {  // siblings
      tables_.data()[row] = tables_.data()[row - 1];
      continue;
    }
    tables_.data()[row] = at;
    for (const double frequency : frequencies_) {
      const SinCos turn = SineCosine(positions[row] * frequency);
      cosines_.data()[at] = cosines_.data()[at + 1] = static_cast<float>(turn.cos);
      sines_.data()[at] = -static_cast<float>(turn.sin);
      sines_.data()[at + 1] = static_cast<float>(turn.sin);
      at += 2;
    }
  }
}

void Rope::Turn(std::size_t row, std::size_t heads, std::size_t head_size, float* x) const {
  const std::size_t table = tables_.data()[row];
  for (std::size_t head = 0; head < heads; ++head, x += head_size) {
    kernels_.turn_pairs(cosines_.data() + table, sines_.data() + table, 2 * frequencies_.size(), x);
  }
}

}  // namespace recycling::verifier
