#include "verifier/rope.h"

#include <cmath>

#include "common/status_macros.h"
#include "verifier/kernels/float_math.h"

namespace recycling::verifier {

Rope::Rope(const ModelConfig& config, std::span<const float> factors) {
  for (std::uint32_t i = 0; i < config.rope_dimensions / 2; ++i) {
    const double factor = factors.empty() ? 1.0 : double{factors[i]};
    frequencies_.push_back(std::pow(config.rope_freq_base, -2.0 * i / config.rope_dimensions) /
                           factor);
  }
}

absl::Status Rope::Reserve(std::size_t rows) {
  RETURN_IF_ERROR(cosines_.Reserve(rows * frequencies_.size(), "rotations"));
  return sines_.Reserve(rows * frequencies_.size(), "rotations");
}

void Rope::SetPositions(std::span<const std::uint32_t> positions) {
  std::size_t at = 0;
  for (const std::uint32_t position : positions) {
    for (const double frequency : frequencies_) {
      const SinCos turn = SineCosine(position * frequency);
      cosines_.data()[at] = static_cast<float>(turn.cos);
      sines_.data()[at] = static_cast<float>(turn.sin);
      ++at;
    }
  }
}

void Rope::Turn(std::size_t row, std::size_t heads, std::size_t head_size, float* x) const {
  const std::size_t pairs = frequencies_.size();
  const float* cosine = cosines_.data() + row * pairs;
  const float* sine = sines_.data() + row * pairs;
  for (std::size_t head = 0; head < heads; ++head, x += head_size) {
    for (std::size_t i = 0; i < pairs; ++i) {
      const float a = x[2 * i];
      const float b = x[2 * i + 1];
      x[2 * i] = a * cosine[i] - b * sine[i];
      x[2 * i + 1] = a * sine[i] + b * cosine[i];
    }
  }
}

}  // namespace recycling::verifier
