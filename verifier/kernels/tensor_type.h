// Number formats of tensors in GGUF files: names, block sizes.
#ifndef RECYCLING_VERIFIER_KERNELS_TENSOR_TYPE_H_
#define RECYCLING_VERIFIER_KERNELS_TENSOR_TYPE_H_

#include <cstdint>
#include <string_view>

namespace recycling::verifier {

// Values are the file format's. Listed are the types this room computes with; a file may hold
// others, see FindTensorType.
enum class TensorType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ8_0 = 8,
  kQ6_K = 14,
  kBF16 = 30,
};

struct TensorTypeInfo {
  TensorType type;
  std::string_view name;
  std::uint32_t block_values;  // values in a block; a row is a whole number of blocks
  std::uint32_t block_bytes;
  bool supported;  // listed in TensorType
};

// What is known of a type number from a file; null if nothing is.
const TensorTypeInfo* FindTensorType(std::uint32_t number);

// Of a listed type.
const TensorTypeInfo& InfoOf(TensorType type);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_TENSOR_TYPE_H_
