#ifndef RECYCLING_VERIFIER_KERNELS_MATMUL_H_
#define RECYCLING_VERIFIER_KERNELS_MATMUL_H_

#include <cstddef>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/kernel_table.h"
#include "verifier/kernels/matmul_kernel.h"
#include "verifier/kernels/thread_pool.h"

namespace recycling::verifier {

// Multiplies packed weights with the rows of one input at a time, on the threads of a pool. Any
// thread may compute any output; the bits do not depend on it. Not thread-safe.
class MatMul {
 public:
  // `kernels`: at least one; all give the same bits and use the same packed weights. All must
  // outlive it.
  MatMul(std::vector<const MatMulKernel*> kernels, ThreadPool& pool)
      : kernels_(std::move(kernels)), kernel_(kernels_.front()), pool_(pool) {}

  // From the next SetInput on, `table` says which kernel multiplies. Until the first call it is the
  // first one. Requires table.last_kernel() to be an index of `kernels`.
  void UseKernels(KernelTable table) { table_ = std::move(table); }

  // Reserves memory for inputs of up to `rows` rows and `columns` columns. Returns
  // ResourceExhausted if the system has no memory.
  absl::Status Reserve(std::size_t rows, std::size_t columns);

  // Prepares the input for the products that follow, [rows, columns]. `weights` lists the weights
  // of all these products.
  void SetInput(std::size_t rows, std::initializer_list<const PackedMatrix*> weights,
                const float* values);

  struct Product {
    const PackedMatrix* weights;
    float* out;  // [rows, weights->rows]
  };
  // out[r, o] = sum over c of w[o, c] in[r, c], for each product.
  void Multiply(std::initializer_list<Product> products);
  // Adds the product to `out`.
  void MultiplyAdd(const PackedMatrix& weights, float* out);
  // A function that sets out[i] = activation(gate[i]) * up[i] for i in [0, n), for example
  // VectorKernels::silu_times. out may be gate.
  using GateTimes = void (*)(const float* gate, const float* up, std::size_t n, float* out);
  // Multiplies the input with `gate` and with `up`, which have the same shape, and stores the
  // second product in up_out. Then sets gate_out to gate_times of the two products.
  void MultiplyGated(const PackedMatrix& gate, const PackedMatrix& up, GateTimes gate_times,
                     float* gate_out, float* up_out);

 private:
  const std::byte* Input(const PackedMatrix& weights) const;
  std::byte* Scratch(std::size_t worker);
  std::size_t TaskPanels(const PackedMatrix& weights) const;

  const std::vector<const MatMulKernel*> kernels_;
  const MatMulKernel* kernel_;  // of the input
  KernelTable table_;
  ThreadPool& pool_;
  std::size_t rows_ = 0;           // of the input
  std::size_t scratch_bytes_ = 0;  // of one thread
  Buffer<std::byte> inputs_[kInputFormats];
  Buffer<std::byte> scratch_;  // [threads, scratch_bytes_]
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_MATMUL_H_
