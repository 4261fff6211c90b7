// Includes every packed format of integer weights, and finds the format of a type.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_FORMATS_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_FORMATS_H_

#include "verifier/kernels/formats/iq4_nl.h"
#include "verifier/kernels/formats/iq4_xs.h"
#include "verifier/kernels/formats/q2_k.h"
#include "verifier/kernels/formats/q3_k.h"
#include "verifier/kernels/formats/q4_0.h"
#include "verifier/kernels/formats/q4_1.h"
#include "verifier/kernels/formats/q4_k.h"
#include "verifier/kernels/formats/q5_0.h"
#include "verifier/kernels/formats/q5_1.h"
#include "verifier/kernels/formats/q5_k.h"
#include "verifier/kernels/formats/q6_k.h"
#include "verifier/kernels/formats/q8_0.h"

namespace recycling::verifier {

// Calls run<W>() for the packed format W of an integer type. Does nothing for F32, F16 and BF16.
template <typename F>
void WithFormat(TensorType type, F run) {
  switch (type) {
    case TensorType::kQ8_0:
      return run.template operator()<Q8_0>();
    case TensorType::kQ4_0:
      return run.template operator()<Q4_0>();
    case TensorType::kQ4_1:
      return run.template operator()<Q4_1>();
    case TensorType::kQ5_0:
      return run.template operator()<Q5_0>();
    case TensorType::kQ5_1:
      return run.template operator()<Q5_1>();
    case TensorType::kQ2_K:
      return run.template operator()<Q2_K>();
    case TensorType::kQ3_K:
      return run.template operator()<Q3_K>();
    case TensorType::kQ4_K:
      return run.template operator()<Q4_K>();
    case TensorType::kQ5_K:
      return run.template operator()<Q5_K>();
    case TensorType::kQ6_K:
      return run.template operator()<Q6_K>();
    case TensorType::kIQ4_NL:
      return run.template operator()<IQ4_NL>();
    case TensorType::kIQ4_XS:
      return run.template operator()<IQ4_XS>();
    case TensorType::kF32:
    case TensorType::kF16:
    case TensorType::kBF16:
      return;
  }
}

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_FORMATS_H_
