// Number formats of tensors in GGUF files: names, block sizes.
#ifndef RECYCLING_VERIFIER_KERNELS_TENSOR_TYPE_H_
#define RECYCLING_VERIFIER_KERNELS_TENSOR_TYPE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace recycling::verifier {

// The types that the kernels support. Their values are those of the file format. A file may hold
// other types; see FindTensorType.
enum class TensorType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
};

struct TensorTypeInfo {
  TensorType type;
  std::string_view name;
  std::uint32_t block_values;  // values in a block; a row is a whole number of blocks
  std::uint32_t block_bytes;
  bool supported;  // listed in TensorType
};

// The name and block size of a type number of the file format. Null for an unknown number.
const TensorTypeInfo* FindTensorType(std::uint32_t number);

// The names of all supported types, separated by commas, for messages.
std::string SupportedTensorTypes();

// The name and block size of a supported type.
const TensorTypeInfo& InfoOf(TensorType type);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_TENSOR_TYPE_H_
