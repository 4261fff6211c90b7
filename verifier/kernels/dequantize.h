#ifndef RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
#define RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

// out[c] = the number that `row` holds at column c, [columns]; columns is a whole number of the
// type's blocks. `row` may have any alignment. With d a block's scale, q an integer of the block:
//   F32, F16, BF16  the number itself
//   Q8_0            d q,       32 columns: half d, int8 q[32]
//   Q4_0            d (q - 8), 32 columns: half d, 16 bytes; low halves are columns 0 to 15
//   Q6_K            (d s)(q - 32), 256 columns: 128 bytes of low four bits, 64 bytes of high two
//                   bits, int8 s[16] for 16 columns each, half d
void DequantizeRow(TensorType type, const std::byte* row, std::size_t columns, float* out);

// A block of Q6_K as q - 32 [256] and the scale d s of each 16 of them [16].
void UnpackQ6_K(const std::byte* block, std::int8_t* values, float* scales);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
