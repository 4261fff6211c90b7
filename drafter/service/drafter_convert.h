// From the messages of recycling.drafter.v1 to the drafter's nouns. Trusts nothing: what comes out
// may be used as it is. Every error says what, got, expected.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_CONVERT_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_CONVERT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "drafter/sources/observation.h"
#include "drafter/store/matrix_store.h"
#include "drafter/tree/step_costs.h"
#include "drafter/tree/tree_template.h"
#include "recycling/drafter/v1/drafter.pb.h"

namespace recycling::drafter {

// The tree that is asked for, within the drafter's own limits.
struct Proposal {
  std::uint32_t base = 0;
  TokenId root = 0;
  int max_nodes = 0;
  int max_depth = 0;
  std::optional<StepCosts> costs;  // absent: not known
  double other_tokens = 0;         // given to other sequences in the time of a step
};

// UNSPECIFIED is the tenant's. InvalidArgument for an unknown scope; the tenant is not checked.
absl::StatusOr<MatrixKey> MatrixKeyFromProto(common::v1::MatrixScope scope,
                                             const std::string& tenant);

// For SaveMatrix and LoadMatrix: InvalidArgument also for REQUEST, and for a tenant beside SHARED.
absl::StatusOr<MatrixKey> StoredKeyFromProto(common::v1::MatrixScope scope,
                                             const std::string& tenant);

// Most tokens that a session may be told when it opens.
inline constexpr int kMaxCommittedIds = 1 << 18;

// The committed tokens of a session that opens. InvalidArgument for more than kMaxCommittedIds, or
// an id outside the vocabulary.
absl::StatusOr<std::vector<TokenId>> CommittedFromProto(const v1::OpenSession& open);

// Not validated; see MatrixStore::Bind.
MatrixBinding BindingFromProto(const common::v1::ModelIdentity& model, std::uint32_t k);

// Observations of `binding`'s model and k, checked by ValidateObservation. InvalidArgument. The
// rows of a prompt are a chain, and so are those of a step that gives no parents and accepted all
// rows.
absl::StatusOr<Observation> ObservationFromProto(const v1::Observation& proto,
                                                 const MatrixBinding& binding);
absl::StatusOr<Observation> PromptFromProto(const v1::PromptObservation& proto,
                                            const MatrixBinding& binding);

// InvalidArgument for a base of 0, a root outside the vocabulary or step costs that are none
// (StepCosts::Create) or other tokens that are not in [0, 1e9]. max_nodes is cut to the template's,
// max_depth to kMaxTemplateDepth.
absl::StatusOr<Proposal> ProposalFromProto(const v1::Proposal& proto, const TreeTemplate& shape,
                                           std::uint32_t vocab_size);

void MatrixInfoToProto(const MatrixStore::Entry& entry, v1::MatrixInfo* proto);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_CONVERT_H_
