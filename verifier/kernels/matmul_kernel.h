// How a matrix of weights is stored and multiplied with rows of activations.
//
// A kernel fixes the bits of every product: out[r, o] depends only on row r of the inputs and row o
// of the weights. Other rows and outputs of the same call have no effect on it. Kernels with equal
// arithmetic() give equal bits.
#ifndef RECYCLING_VERIFIER_KERNELS_MATMUL_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_MATMUL_KERNEL_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "verifier/kernels/cpu.h"
#include "verifier/kernels/matrix.h"

namespace recycling::verifier {

// A matrix as a kernel stores it: panels of outputs, one after the other.
struct PackedMatrix {
  TensorType type = TensorType::kF32;  // in the model file
  std::size_t rows = 0;                // outputs
  std::size_t columns = 0;
  std::size_t panel_outputs = 0;
  std::size_t panel_bytes = 0;
  const std::byte* data = nullptr;  // [panels(), panel_bytes], aligned to 64 if the kernel packs

  std::size_t panels() const { return (rows + panel_outputs - 1) / panel_outputs; }
  std::size_t bytes() const { return panels() * panel_bytes; }
};

// How the rows of activations are prepared. The format depends on the type of the weights that are
// multiplied with the rows.
enum class InputFormat {
  kFloat,
  kIntegers32,  // for weights whose scales belong to 32 columns each
  kIntegers16,  // for weights whose scales belong to 16 columns each
};
inline constexpr std::size_t kInputFormats = 3;

// The numbers that a kernel multiplies.
//   kFast   Weights and their scales as in the file, activations rounded to 8 bits
//           (packed_format.h). All kernels of all machines give the same bits.
//   kExact  Weights and activations as floats, summed in the order of dot.h. Slow; the tests
//           compare the other kernels with it.
enum class Arithmetic { kFast, kExact };

// Returns the arithmetic with the name "fast" or "exact". Returns InvalidArgument for any other
// name.
absl::StatusOr<Arithmetic> ArithmeticFromName(std::string_view name);

// Columns [begin, end) of row `row` of an input that has `rows` rows of `columns` columns. `begin`
// is a multiple of kInputPartColumns, and `end` is one, too, or equals `columns`.
struct InputPart {
  std::size_t columns;
  std::size_t begin;
  std::size_t end;
  std::size_t row;
  std::size_t rows;
};
inline constexpr std::size_t kInputPartColumns = 256;

// Stateless. Threads: any.
class MatMulKernel {
 public:
  // The kernel of `set`; with exact arithmetic there is only one. It lives as long as the program.
  // This machine must support `set`.
  static const MatMulKernel& For(InstructionSet set, Arithmetic arithmetic = Arithmetic::kFast);

  // The kernels that are worth measuring on a machine whose highest level is `best`: one or two.
  // The first one is that of `best`. AMX and AVX-512 without VNNI have a second one. It works in
  // smaller tiles or narrower vectors, so it may take less time for few rows. AVX-512 VNNI has
  // none: it needs fewer instructions than AVX2 for any number of rows. All give the same bits and
  // use the same packed weights.
  static std::vector<const MatMulKernel*> Candidates(InstructionSet best,
                                                     Arithmetic arithmetic = Arithmetic::kFast);

  virtual ~MatMulKernel() = default;

  // The kernel's name, for example "portable" or "avx2".
  virtual std::string_view name() const = 0;
  // Name and version of the arithmetic.
  virtual std::string_view arithmetic() const = 0;

  // Whether the kernel needs packed weights. If not, it reads the matrices in the mapped file, and
  // PackPanel is not called.
  virtual bool packs() const = 0;
  // The layout of `w` in memory. If the kernel packs, `data` of the result is null.
  virtual PackedMatrix Layout(const Matrix& w) const = 0;
  // Packs panel `panel` into `out` [panel_bytes]. Outputs past the last row of `w` are zero.
  virtual void PackPanel(const Matrix& w, std::size_t panel, std::byte* out) const = 0;

  virtual InputFormat FormatFor(TensorType type) const = 0;
  // Bytes of up to `rows` prepared rows. `rows` is at least 1. The result is a multiple of 64, and
  // at most `rows` times the result for one row.
  virtual std::size_t InputBytes(InputFormat format, std::size_t rows,
                                 std::size_t columns) const = 0;
  // Prepares a part of a row. `values` is the whole row. Different threads may prepare different
  // parts at the same time. If a number of a row is not finite, no product of the row is finite.
  virtual void Prepare(InputFormat format, const float* values, const InputPart& part,
                       std::byte* inputs) const = 0;

  // Bytes of scratch memory that a call of Multiply needs for up to `rows` rows.
  virtual std::size_t ScratchBytes(std::size_t rows, std::size_t columns) const = 0;
  // Computes out[r, o] = sum over c of w[o, c] x[r, c] for all prepared rows r and all outputs o of
  // panels [begin, end). If `add`, it adds the sum to out[r, o] instead. `out` is [rows, w.rows].
  virtual void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end,
                        const std::byte* inputs, std::size_t rows, bool add, float* out,
                        std::byte* scratch) const = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_MATMUL_KERNEL_H_
