#ifndef RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
#define RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

// Sets out[c], c in [0, columns), to the number at column c of `row`. `columns` is a multiple of
// the type's block length. `row` may have any alignment. With d the scale of a block and q an
// integer of it:
//   F32, F16, BF16  the number itself
//   Q8_0            d q,       32 columns: half d, int8 q[32]
//   Q4_0            d (q - 8), 32 columns: half d, 16 bytes; low halves are columns 0 to 15
//   Q6_K            (d s)(q - 32), 256 columns: 128 bytes of low four bits, 64 bytes of high two
//                   bits, int8 s[16] for 16 columns each, half d
void DequantizeRow(TensorType type, const std::byte* row, std::size_t columns, float* out);

// Unpacks a block of Q6_K to q - 32 [256] and the scale d s of every 16 columns [16].
void UnpackQ6_K(const std::byte* block, std::int8_t* values, float* scales);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_DEQUANTIZE_H_
