// Converts the messages of recycling.drafter.v1 to the drafter's own types and checks them. The
// drafter uses the results without further checks, except where a comment says so. Every error
// names the field, the value it got, and the values it expected.
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

// The gateway's request for a tree. max_nodes and max_depth are already limited to what this
// drafter allows.
struct Proposal {
  std::uint32_t base = 0;  // the number of committed tokens, including the root
  TokenId root = 0;        // the last committed token
  int max_nodes = 0;
  int max_depth = 0;
  std::optional<StepCosts> costs;  // absent: the gateway does not know them
  double other_tokens = 0;         // tokens that other sequences get during one step
};

// UNSPECIFIED means TENANT. Returns InvalidArgument for an unknown scope. Does not check the
// tenant; MatrixStore does.
absl::StatusOr<MatrixKey> MatrixKeyFromProto(common::v1::MatrixScope scope,
                                             const std::string& tenant);

// The same for SaveMatrix and LoadMatrix. Also returns InvalidArgument for REQUEST, and for SHARED
// with a tenant.
absl::StatusOr<MatrixKey> StoredKeyFromProto(common::v1::MatrixScope scope,
                                             const std::string& tenant);

// OpenSession may carry at most this many committed tokens.
inline constexpr int kMaxCommittedIds = 1 << 18;

// The committed tokens of `open`. Returns InvalidArgument if there are more than kMaxCommittedIds,
// or if an id is outside the vocabulary.
absl::StatusOr<std::vector<TokenId>> CommittedFromProto(const v1::OpenSession& open);

// Does not check the result; MatrixStore::Bind does.
MatrixBinding BindingFromProto(const common::v1::ModelIdentity& model, std::uint32_t k);

// Returns an observation that is valid for the model and k of `binding` (ValidateObservation), or
// InvalidArgument. The rows of a prompt form a chain: the parent of each row is the row before it.
// The rows of a step also form a chain if the message has no parents and all rows were accepted.
absl::StatusOr<Observation> ObservationFromProto(const v1::Observation& proto,
                                                 const MatrixBinding& binding);
absl::StatusOr<Observation> PromptFromProto(const v1::PromptObservation& proto,
                                            const MatrixBinding& binding);

// Returns InvalidArgument if the base is 0, if the root is outside the vocabulary, if
// StepCosts::Create refuses the step costs, or if other_tokens is not in [0, 1e9]. Limits max_nodes
// to the number of nodes of the template, and max_depth to kMaxTemplateDepth.
absl::StatusOr<Proposal> ProposalFromProto(const v1::Proposal& proto, const TreeTemplate& shape,
                                           std::uint32_t vocab_size);

void MatrixInfoToProto(const MatrixStore::Entry& entry, v1::MatrixInfo* proto);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_CONVERT_H_
