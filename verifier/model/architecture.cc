#include "verifier/model/architecture.h"

namespace recycling::verifier {

std::span<const Architecture> Architectures() {
  static constexpr Architecture kArchitectures[] = {
      {.name = "llama"},
  };
  return kArchitectures;
}

}  // namespace recycling::verifier
