#ifndef RECYCLING_VERIFIER_FORWARD_ROPE_H_
#define RECYCLING_VERIFIER_FORWARD_ROPE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/vector_kernels.h"
#include "verifier/model/model_config.h"

namespace recycling::verifier {

// Rotary position embedding (arXiv 2104.09864): turns the pair (x[2i], x[2i + 1]) of a head by
// position * base^(-2i / rope_dimensions) / factor[i] radians. Angles are taken in double
// precision.
class Rope {
 public:
  // `factors` [rope_dimensions / 2], or empty: all 1. `kernels` must outlive it and decides no
  // bits.
  Rope(const ModelConfig& config, std::span<const float> factors, const VectorKernels& kernels);

  // Memory for `rows` rows. ResourceExhausted if it cannot be had.
  absl::Status Reserve(std::size_t rows);

  // Sets the rows' absolute positions; at most as many as reserved.
  void SetPositions(std::span<const std::uint32_t> positions);

  // Turns row `row` of x [heads, head_size] in place.
  void Turn(std::size_t row, std::size_t heads, std::size_t head_size, float* x) const;

  // Radians a position; decided by the C library's power function, so part of the numerics id.
  const std::vector<double>& frequencies() const { return frequencies_; }

 private:
  const VectorKernels& kernels_;
  std::vector<double> frequencies_;  // [rope_dimensions / 2]
  Buffer<std::size_t> tables_;       // [rows]; rows of equal position share one
  Buffer<float> cosines_;            // [tables, rope_dimensions], each twice
  Buffer<float> sines_;              // [tables, rope_dimensions], each negated, then as it is
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_ROPE_H_
