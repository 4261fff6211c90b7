// The flags of a model and of a forward pass that the verifier and recycling-inspect share.
#ifndef RECYCLING_VERIFIER_SERVICE_ENGINE_FLAGS_H_
#define RECYCLING_VERIFIER_SERVICE_ENGINE_FLAGS_H_

#include <cstdint>
#include <string>

#include "absl/flags/declare.h"

ABSL_DECLARE_FLAG(int, threads);
ABSL_DECLARE_FLAG(std::uint32_t, context_length);
ABSL_DECLARE_FLAG(std::string, kv_type);
ABSL_DECLARE_FLAG(std::string, arithmetic);
ABSL_DECLARE_FLAG(std::string, kernel);
ABSL_DECLARE_FLAG(std::string, pretokenizer);
ABSL_DECLARE_FLAG(int, max_sequences);

#endif  // RECYCLING_VERIFIER_SERVICE_ENGINE_FLAGS_H_
