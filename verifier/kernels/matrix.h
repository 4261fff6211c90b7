#ifndef RECYCLING_VERIFIER_KERNELS_MATRIX_H_
#define RECYCLING_VERIFIER_KERNELS_MATRIX_H_

#include <cstddef>

#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

// A view of a matrix in a model file: rows one after the other. The owner of `data` must outlive
// it.
struct Matrix {
  TensorType type = TensorType::kF32;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t row_bytes = 0;
  const std::byte* data = nullptr;

  const std::byte* Row(std::size_t row) const { return data + row * row_bytes; }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_MATRIX_H_
