#include "verifier/kernels/tensor_type.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace recycling::verifier {
namespace {

constexpr TensorTypeInfo Known(std::uint32_t number, std::string_view name, std::uint32_t values,
                               std::uint32_t bytes, bool supported = false) {
  return {static_cast<TensorType>(number), name, values, bytes, supported};
}

// Also lists types that no kernel supports, because their block sizes tell where a tensor ends.
constexpr TensorTypeInfo kTypes[] = {
    Known(0, "F32", 1, 4, true),
    Known(1, "F16", 1, 2, true),
    Known(2, "Q4_0", 32, 18, true),
    Known(3, "Q4_1", 32, 20, true),
    Known(6, "Q5_0", 32, 22, true),
    Known(7, "Q5_1", 32, 24, true),
    Known(8, "Q8_0", 32, 34, true),
    Known(9, "Q8_1", 32, 36),
    Known(10, "Q2_K", 256, 84, true),
    Known(11, "Q3_K", 256, 110, true),
    Known(12, "Q4_K", 256, 144, true),
    Known(13, "Q5_K", 256, 176, true),
    Known(14, "Q6_K", 256, 210, true),
    Known(15, "Q8_K", 256, 292),
    Known(16, "IQ2_XXS", 256, 66),
    Known(17, "IQ2_XS", 256, 74),
    Known(18, "IQ3_XXS", 256, 98),
    Known(19, "IQ1_S", 256, 50),
    Known(20, "IQ4_NL", 32, 18, true),
    Known(21, "IQ3_S", 256, 110),
    Known(22, "IQ2_S", 256, 82),
    Known(23, "IQ4_XS", 256, 136, true),
    Known(24, "I8", 1, 1),
    Known(25, "I16", 1, 2),
    Known(26, "I32", 1, 4),
    Known(27, "I64", 1, 8),
    Known(28, "F64", 1, 8),
    Known(29, "IQ1_M", 256, 56),
    Known(30, "BF16", 1, 2, true),
    Known(34, "TQ1_0", 256, 54),
    Known(35, "TQ2_0", 256, 66),
    Known(39, "MXFP4", 32, 17),
};

}  // namespace

const TensorTypeInfo* FindTensorType(std::uint32_t number) {
  const auto it = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& known) {
    return static_cast<std::uint32_t>(known.type) == number;
  });
  return it == std::end(kTypes) ? nullptr : it;
}

std::string SupportedTensorTypes() {
  std::string names;
  for (const TensorTypeInfo& known : kTypes) {
    if (!known.supported) continue;
    if (!names.empty()) names += ", ";
    names += known.name;
  }
  return names;
}

const TensorTypeInfo& InfoOf(TensorType type) {
  return *FindTensorType(static_cast<std::uint32_t>(type));
}

}  // namespace recycling::verifier
