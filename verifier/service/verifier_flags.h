// The flags of programs that contain a verifier.
#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_FLAGS_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_FLAGS_H_

#include "absl/status/statusor.h"
#include "verifier/service/verifier_server.h"

namespace recycling::verifier {

// Reads the flags. InvalidArgument without --model, or for a flag out of range.
absl::StatusOr<VerifierOptions> OptionsFromFlags();

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_FLAGS_H_
