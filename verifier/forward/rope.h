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

// Rotary position embedding (arXiv 2104.09864): turns pair i of a head by position * frequency i
// radians and multiplies it by a magnitude. Frequency i is base^(-2i / rope_dimensions) /
// factor[i], changed by RopeScaling. The Rotation of the architecture decides which two numbers are
// pair i. Angles are computed in double precision.
class Rope {
 public:
  // `factors` is [rope_dimensions / 2], or empty if all factors are 1. `kernels` must outlive this
  // object. Every build of the kernels gives the same bits.
  Rope(const ModelConfig& config, std::span<const float> factors, const VectorKernels& kernels);
  // The rotation of layers with a window: another base, and no scaling and no factors unless the
  // architecture has window_rope_scaling.
  static Rope OfWindow(const ModelConfig& config, std::span<const float> factors,
                       const VectorKernels& kernels);

  // Makes room for `rows` rows. Returns ResourceExhausted if the system has no memory.
  absl::Status Reserve(std::size_t rows);

  // Sets the absolute positions of the rows. There may be at most as many rows as Reserve made room
  // for.
  void SetPositions(std::span<const std::uint32_t> positions);

  // Turns row `row` of x [heads, head_size] in place.
  void Turn(std::size_t row, std::size_t heads, std::size_t head_size, float* x) const;

  // The angle in radians by which each pair turns from one position to the next. The C library's
  // power function decides the bits of these numbers, so they are part of the numerics id.
  const std::vector<double>& frequencies() const { return frequencies_; }
  // The factor of the sines and cosines. The C library's logarithm may decide its bits.
  double magnitude() const { return magnitude_; }

 private:
  const VectorKernels& kernels_;
  const bool halves_;  // Rotation::kHalves
  const double magnitude_;
  std::vector<double> frequencies_;  // [rope_dimensions / 2]
  Buffer<std::size_t> tables_;       // [rows]; the start of a row's table; rows may share a table
  // [tables, rope_dimensions], in the order of turn_pairs or turn_halves of VectorKernels.
  Buffer<float> cosines_;
  Buffer<float> sines_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_ROPE_H_
