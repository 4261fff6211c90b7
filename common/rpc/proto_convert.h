// Converts between the messages of recycling.common.v1 and the types of common/decoding. A
// FromProto function checks the form of its input: it returns a value that keeps the contract of
// the type, or InvalidArgument that says what was wrong, what came and what was expected. The
// Validate functions of the types check ranges that depend on the model (vocabulary, limits).
#ifndef RECYCLING_COMMON_RPC_PROTO_CONVERT_H_
#define RECYCLING_COMMON_RPC_PROTO_CONVERT_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/model_identity.h"
#include "common/decoding/sampling_options.h"
#include "recycling/common/v1/common.pb.h"

namespace recycling {

// Fills in every default. Does not check ranges; see ValidateSamplingOptions.
SamplingOptions SamplingOptionsFromProto(const common::v1::SamplingOptions& proto);
void SamplingOptionsToProto(const SamplingOptions& options, common::v1::SamplingOptions* proto);

// Joins the root and the arrays. InvalidArgument if array lengths differ or a parent does not fit
// an int32. ValidateTree checks everything else.
absl::StatusOr<DraftTree> DraftTreeFromProto(const common::v1::DraftTree& proto);
void DraftTreeToProto(const DraftTree& tree, common::v1::DraftTree* proto);

// InvalidArgument unless ids holds exactly rows * k ids, all less than vocab_size, and k is in [1,
// 64].
absl::StatusOr<Candidates> CandidatesFromProto(const common::v1::Candidates& proto,
                                               std::size_t rows, std::uint32_t vocab_size);
void CandidatesToProto(const Candidates& candidates, common::v1::Candidates* proto);

// Not validated; see ValidateModelIdentity.
ModelIdentity ModelIdentityFromProto(const common::v1::ModelIdentity& proto);
void ModelIdentityToProto(const ModelIdentity& identity, common::v1::ModelIdentity* proto);

TokenLogprob TokenLogprobFromProto(const common::v1::TokenLogprob& proto);
void TokenLogprobToProto(const TokenLogprob& logprob, common::v1::TokenLogprob* proto);

// The longest duration that this process accepts from a peer.
inline constexpr absl::Duration kLongestTold = absl::Hours(24);

// Converts a peer's number of microseconds to a duration, at most kLongestTold. The bound prevents
// that one answer distorts or overflows a sum.
absl::Duration MicrosFromProto(std::uint64_t micros);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_PROTO_CONVERT_H_
