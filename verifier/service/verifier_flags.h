// The flags of programs that contain a verifier.
#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_FLAGS_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_FLAGS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "common/program/flag_group.h"
#include "verifier/service/verifier_server.h"

namespace recycling::verifier {

// The groups of flags that --help shows.
std::vector<FlagGroup> VerifierFlags();

// Reads the flags. Returns InvalidArgument without --model. VerifierServer::Create checks the
// ranges.
absl::StatusOr<VerifierOptions> OptionsFromFlags();

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_FLAGS_H_
