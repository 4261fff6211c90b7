// Converts between the messages of recycling.verifier.v1 and the scheduler's types.
#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_CONVERT_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_CONVERT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/decoding/model_identity.h"
#include "recycling/verifier/v1/verifier.pb.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {

// Checks that the caller means this verifier. If `proto` has a model or a numerics id, it must be
// equal to `model` or `numerics_id`. Returns FailedPrecondition for the first difference and
// InvalidArgument for a malformed model identity.
absl::Status CheckMeansThisVerifier(const v1::OpenSequence& proto, const ModelIdentity& model,
                                    const std::string& numerics_id);

// Returns InvalidArgument if there are more tokens than the context length, or if the tenant has
// more than 128 bytes. Scheduler::Open checks everything else.
absl::StatusOr<SequenceOptions> SequenceOptionsFromProto(const v1::OpenSequence& proto,
                                                         std::uint32_t context_length);

// Returns InvalidArgument if the tree has more than max_tree_nodes nodes without the root, or if
// its arrays have different lengths. Sequence::Verify checks everything else.
absl::StatusOr<VerifyStep> StepFromProto(const v1::VerifyStep& proto, int max_tree_nodes);

void LoadToProto(const Load& load, v1::Load* proto);
void OpenResultToProto(const OpenResult& result, const Load& load, v1::SequenceOpened* proto);
// `step` and `base` are those of the request.
void StepResultToProto(const StepResult& result, std::uint64_t step, std::uint32_t base,
                       const Load& load, v1::StepVerified* proto);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_CONVERT_H_
