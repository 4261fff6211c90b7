// Converts the messages of recycling.drafter.v1 to the drafter's own types, and checks them: the
// results may be used without further checks. Every error says what, got, expected.
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

// The tree that the gateway asks for, within the drafter's own limits.
struct Proposal {
  std::uint32_t base = 0;
  TokenId root = 0;
  int max_nodes = 0;
  int max_depth = 0;
  std::optional<StepCosts> costs;  // absent: not known
  double other_tokens = 0;         // that other sequences get in the time of a step
};

// UNSPECIFIED means TENANT. InvalidArgument for an unknown scope. The tenant is not checked.
absl::StatusOr<MatrixKey> MatrixKeyFromProto(common::v1::MatrixScope scope,
                                             const std::string& tenant);

// For SaveMatrix and LoadMatrix: InvalidArgument also for REQUEST, and for SHARED with a tenant.
absl::StatusOr<MatrixKey> StoredKeyFromProto(common::v1::MatrixScope scope,
                                             const std::string& tenant);

// The most committed tokens that OpenSession may carry.
inline constexpr int kMaxCommittedIds = 1 << 18;

// The committed tokens that OpenSession carries. InvalidArgument for more than kMaxCommittedIds, or
// for an id outside the vocabulary.
absl::StatusOr<std::vector<TokenId>> CommittedFromProto(const v1::OpenSession& open);

// The result is not checked; MatrixStore::Bind does that.
MatrixBinding BindingFromProto(const common::v1::ModelIdentity& model, std::uint32_t k);

// Observations for the model and k of `binding`, checked by ValidateObservation. InvalidArgument.
// The parents of a prompt's rows are those of a chain. So are those of a step that carries no
// parents and whose rows were all accepted.
absl::StatusOr<Observation> ObservationFromProto(const v1::Observation& proto,
                                                 const MatrixBinding& binding);
absl::StatusOr<Observation> PromptFromProto(const v1::PromptObservation& proto,
                                            const MatrixBinding& binding);

// InvalidArgument for a base of 0, a root outside the vocabulary, step costs that StepCosts::Create
// refuses, or other tokens that are not in [0, 1e9]. max_nodes is cut to that of the template,
// max_depth to kMaxTemplateDepth.
absl::StatusOr<Proposal> ProposalFromProto(const v1::Proposal& proto, const TreeTemplate& shape,
                                           std::uint32_t vocab_size);

void MatrixInfoToProto(const MatrixStore::Entry& entry, v1::MatrixInfo* proto);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_CONVERT_H_
