#ifndef RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
#define RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

// Unpacks a row to floats: out[c] is the number at column c of `row`, for c in [0, columns).
// `columns` must be a multiple of the type's block size. `row` may have any alignment. The files in
// formats/ describe the blocks. A number d q - m is computed in three steps, each rounded: the
// products that give d and m, then d q, then the difference.
void DequantizeRow(TensorType type, const std::byte* row, std::size_t columns, float* out);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
