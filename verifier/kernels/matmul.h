#ifndef RECYCLING_VERIFIER_KERNELS_MATMUL_H_
#define RECYCLING_VERIFIER_KERNELS_MATMUL_H_

#include <cstddef>

#include "absl/status/status.h"
#include "verifier/buffer.h"
#include "verifier/kernels/thread_pool.h"
#include "verifier/weights.h"  // Matrix

namespace recycling::verifier {

// The portable kernel: unpacks rows of weights to floats once, then takes their dot product with
// every input row in the one order of dot.h.
class MatMul {
 public:
  // `pool` must outlive it.
  explicit MatMul(ThreadPool& pool) : pool_(pool) {}

  // Memory for matrices of up to `max_columns` columns. ResourceExhausted if it cannot be had.
  absl::Status Reserve(std::size_t max_columns);

  // out[r, o] = sum over c of w[o, c] in[r, c]. in [rows, w.columns], out [rows, w.rows].
  void operator()(const Matrix& w, const float* in, std::size_t rows, float* out);

 private:
  ThreadPool& pool_;
  std::size_t max_columns_ = 0;
  Buffer<float> unpacked_;  // [threads, rows of a block, max_columns]
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_MATMUL_H_
