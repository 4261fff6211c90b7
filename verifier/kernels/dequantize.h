#ifndef RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
#define RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

// out[c] = the number that `row` holds at column c, [columns]; columns is a whole number of the
// type's blocks. `row` may have any alignment. What each block looks like in a file is said in
// formats/. A number d q - m is rounded as d q, then d q - m, with products of scales first.
void DequantizeRow(TensorType type, const std::byte* row, std::size_t columns, float* out);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
