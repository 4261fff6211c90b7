#ifndef RECYCLING_VERIFIER_KERNELS_MATMUL_H_
#define RECYCLING_VERIFIER_KERNELS_MATMUL_H_

#include <cstddef>
#include <initializer_list>
#include <span>
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
      : kernels_(std::move(kernels)), pool_(pool) {}

  // From the next SetInput on, `table` says which kernel multiplies. Until the first call it is the
  // first one. Requires table.last_kernel() to be an index of `kernels`.
  void UseKernels(KernelTable table) { table_ = std::move(table); }

  // Reserves memory for inputs of up to `rows` rows and `columns` columns, in groups of up to
  // `group_rows` rows. May be called again for inputs of another shape. Returns ResourceExhausted
  // if the system has no memory.
  absl::Status Reserve(std::size_t rows, std::size_t columns, std::size_t group_rows);

  // Consecutive rows of an input. A product multiplies them with its matrix number `matrix`. In a
  // mixture of experts these are the rows that use the same expert.
  struct RowGroup {
    std::size_t rows;  // at least 1
    std::size_t matrix;
  };
  // Prepares the input for the products that follow, [rows, columns]: the rows of the first group,
  // then those of the second group and so on. `weights` has one matrix of each of these products;
  // all matrices of a product have the same shape and type.
  void SetInput(std::span<const RowGroup> groups,
                std::initializer_list<const PackedMatrix*> weights, const float* values);
  // The same for one group of rows, which uses the first matrix of each product.
  void SetInput(std::size_t rows, std::initializer_list<const PackedMatrix*> weights,
                const float* values);

  struct Product {
    const PackedMatrix* matrices;  // one or more; RowGroup says which rows use which
    float* out;                    // [rows, matrices->rows]
  };
  // out[r, o] = sum over c of w[o, c] in[r, c], for each product. w is the matrix of the row's
  // group.
  void Multiply(std::initializer_list<Product> products);
  // Adds the product to `out`.
  void MultiplyAdd(const Product& product);
  // A function that sets out[i] = activation(gate[i]) * up[i] for i in [0, n), for example
  // VectorKernels::silu_times. out may be gate.
  using GateTimes = void (*)(const float* gate, const float* up, std::size_t n, float* out);
  // Computes both products, whose matrices have the same shape. Then sets gate.out to gate_times of
  // the two products.
  void MultiplyGated(const Product& gate, const Product& up, GateTimes gate_times);

 private:
  struct Group {
    std::size_t first_row;
    std::size_t rows;
    std::size_t matrix;
    const MatMulKernel* kernel;
    std::size_t inputs[kInputFormats];  // where its prepared rows begin, in bytes
  };
  // Up to kTaskRows rows of a group, which one task prepares.
  struct Piece {
    std::size_t group;
    std::size_t begin;  // in the group
    std::size_t end;
  };
  // The panels of one matrix, which are multiplied with one group.
  struct Work {
    const Group* group;
    const PackedMatrix* matrix;
    float* out;          // of the group's first row
    std::size_t panels;  // of a task
    std::size_t end;     // the first task that is not its own
  };

  // Sets works_ to the works of `products`, in tasks of about 1 / `share` of the usual size.
  void Plan(std::span<const Product> products, std::size_t share = 1);
  // Runs all tasks of works_: run(work, first panel, end of the panels, scratch).
  template <typename F>
  void RunWorks(const F& run);
  // Multiplies panels [begin, end) of `matrix` with the rows of `group`.
  void MultiplyPanels(const Group& group, const PackedMatrix& matrix, std::size_t begin,
                      std::size_t end, bool add, float* out, std::byte* scratch) const;
  std::byte* Scratch(std::size_t worker);

  const std::vector<const MatMulKernel*> kernels_;
  KernelTable table_;
  ThreadPool& pool_;
  std::vector<Group> groups_;  // of the input
  std::vector<Piece> pieces_;
  std::vector<Work> works_;
  std::size_t scratch_bytes_ = 0;  // of one thread
  Buffer<std::byte> inputs_[kInputFormats];
  Buffer<std::byte> scratch_;  // [threads, scratch_bytes_]
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_MATMUL_H_
