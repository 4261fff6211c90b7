// How a matrix of weights is kept and multiplied with rows of activations.
//
// A kernel fixes the bits of every product: out[r, o] is a function of row r of the inputs and row
// o of the weights, whatever rows and outputs are computed beside it. Kernels with equal
// arithmetic() give equal bits.
#ifndef RECYCLING_VERIFIER_KERNELS_MATMUL_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_MATMUL_KERNEL_H_

#include <cstddef>
#include <string_view>

#include "verifier/kernels/cpu.h"
#include "verifier/kernels/matrix.h"

namespace recycling::verifier {

// Where a kernel keeps a matrix: panels of outputs, one after the other.
struct PackedMatrix {
  TensorType type = TensorType::kF32;  // of the file
  std::size_t rows = 0;                // outputs
  std::size_t columns = 0;
  std::size_t panel_outputs = 0;
  std::size_t panel_bytes = 0;
  const std::byte* data = nullptr;  // [panels(), panel_bytes], aligned to 64 if the kernel packs

  std::size_t panels() const { return (rows + panel_outputs - 1) / panel_outputs; }
  std::size_t bytes() const { return panels() * panel_bytes; }
};

// How rows of activations are prepared; depends on the type of the weights they meet.
enum class InputFormat { kFloat, kInteger };
inline constexpr std::size_t kInputFormats = 2;

// Stateless. Threads: any.
class MatMulKernel {
 public:
  // The kernel for the best of what `set` allows; lives forever. `set` must be supported here.
  static const MatMulKernel& For(InstructionSet set);

  virtual ~MatMulKernel() = default;

  // "portable", "avx2" and so on; and the name and version of the arithmetic.
  virtual std::string_view name() const = 0;
  virtual std::string_view arithmetic() const = 0;

  // False: matrices are used where they are in the file, PackPanel is not called.
  virtual bool packs() const = 0;
  // The layout of `w`; its data is null if the kernel packs.
  virtual PackedMatrix Layout(const Matrix& w) const = 0;
  // Writes panel `panel` to `out` [panel_bytes]; outputs past the last are zero.
  virtual void PackPanel(const Matrix& w, std::size_t panel, std::byte* out) const = 0;

  virtual InputFormat FormatFor(TensorType type) const = 0;
  // Bytes that `rows` prepared rows take; aligned to 64.
  virtual std::size_t InputBytes(InputFormat format, std::size_t rows,
                                 std::size_t columns) const = 0;
  // Writes row `row` of `rows` of a prepared input; different rows may be written by different
  // threads at once. A row that is not finite makes its products not finite.
  virtual void PrepareRow(InputFormat format, const float* values, std::size_t columns,
                          std::size_t row, std::size_t rows, std::byte* inputs) const = 0;

  // Bytes of memory that a call of Multiply needs for itself, for up to `rows` rows.
  virtual std::size_t ScratchBytes(std::size_t rows, std::size_t columns) const = 0;
  // out[r, o] = sum over c of w[o, c] x[r, c], or += with `add`, for all prepared rows and the
  // outputs of panels [begin, end). out [rows, w.rows].
  virtual void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end,
                        const std::byte* inputs, std::size_t rows, bool add, float* out,
                        std::byte* scratch) const = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_MATMUL_KERNEL_H_
