#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "verifier/kernels/float_math.h"
#include "verifier/kernels/isa_portable.h"
#include "verifier/kernels/panel_kernel.h"
#include "verifier/kernels/panel_kernels.h"

namespace recycling::verifier {
const MatMulKernel& PortableKernel() {
  static const PanelKernel<Portable> kernel;
  return kernel;
}

}  // namespace recycling::verifier
