#ifndef RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
#define RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

// Unpacks a row to floats: out[c] is the number at column c of `row`, for c in [0, columns).
// `columns` must be a multiple of the type's block size. `row` may have any alignment. The files in
// formats/ describe the blocks. Most formats store small integers q that share a scale d and a
// minimum m. The number d q - m is computed in three steps, and each step is rounded: first d and
// m, which may be products, then d q, then the difference.
void DequantizeRow(TensorType type, const std::byte* row, std::size_t columns, float* out);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
