#include "drafter/service/drafter_convert.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/proto_convert.h"

namespace recycling::drafter {
namespace {

int AtMost(std::uint32_t value, int limit) {
  return static_cast<int>(std::min(value, static_cast<std::uint32_t>(limit)));
}

std::vector<std::int32_t> ChainParents(std::size_t rows) {
  std::vector<std::int32_t> parents(rows);
  std::iota(parents.begin(), parents.end(), -1);
  return parents;
}

// `proto` holds the parents of all rows except the root. The result begins with -1, the parent of
// the root.
absl::StatusOr<std::vector<std::int32_t>> ParentsFromProto(
    const google::protobuf::RepeatedField<std::uint32_t>& proto) {
  std::vector<std::int32_t> parents = {-1};
  parents.reserve(static_cast<std::size_t>(proto.size()) + 1);
  for (const std::uint32_t parent : proto) {
    if (parent > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) {
      return absl::InvalidArgumentError(
          absl::StrCat("parents: got ", parent, ", expected the index of an earlier row"));
    }
    parents.push_back(static_cast<std::int32_t>(parent));
  }
  return parents;
}

// Converts the fields that both observation messages have: tokens and candidates.
template <typename Proto>
absl::StatusOr<Observation> RowsFromProto(const Proto& proto, const MatrixBinding& binding) {
  Observation observation;
  observation.tokens.assign(proto.tokens().begin(), proto.tokens().end());
  ASSIGN_OR_RETURN(
      observation.candidates,
      CandidatesFromProto(proto.candidates(), observation.tokens.size(), binding.model.vocab_size));
  return observation;
}

}  // namespace

absl::StatusOr<MatrixKey> MatrixKeyFromProto(common::v1::MatrixScope scope,
                                             const std::string& tenant) {
  switch (scope) {
    case common::v1::MATRIX_SCOPE_UNSPECIFIED:
    case common::v1::MATRIX_SCOPE_TENANT:
      return MatrixKey{MatrixScope::kTenant, tenant};
    case common::v1::MATRIX_SCOPE_REQUEST:
      return MatrixKey{MatrixScope::kRequest, tenant};
    case common::v1::MATRIX_SCOPE_SHARED:
      return MatrixKey{MatrixScope::kShared, tenant};
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("scope: got ", static_cast<int>(scope), ", expected a MatrixScope"));
  }
}

absl::StatusOr<MatrixKey> StoredKeyFromProto(common::v1::MatrixScope scope,
                                             const std::string& tenant) {
  ASSIGN_OR_RETURN(MatrixKey key, MatrixKeyFromProto(scope, tenant));
  if (key.scope == MatrixScope::kRequest) {
    return absl::InvalidArgumentError("scope: got REQUEST, expected TENANT or SHARED");
  }
  if (key.scope == MatrixScope::kShared && !tenant.empty()) {
    return absl::InvalidArgumentError("tenant: got one with scope SHARED, expected none");
  }
  return key;
}

MatrixBinding BindingFromProto(const common::v1::ModelIdentity& model, std::uint32_t k) {
  return {.model = ModelIdentityFromProto(model), .k = k};
}

absl::StatusOr<std::vector<TokenId>> CommittedFromProto(const v1::OpenSession& open) {
  if (open.committed_ids_size() > kMaxCommittedIds) {
    return absl::InvalidArgumentError(absl::StrCat("committed_ids: got ", open.committed_ids_size(),
                                                   ", expected at most ", kMaxCommittedIds));
  }
  for (const TokenId id : open.committed_ids()) {
    if (id >= open.model().vocab_size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "committed_ids: got token id ", id, ", expected less than ", open.model().vocab_size()));
    }
  }
  return std::vector<TokenId>(open.committed_ids().begin(), open.committed_ids().end());
}

absl::StatusOr<Observation> ObservationFromProto(const v1::Observation& proto,
                                                 const MatrixBinding& binding) {
  ASSIGN_OR_RETURN(Observation observation, RowsFromProto(proto, binding));
  observation.accepted_path.assign(proto.accepted_path().begin(), proto.accepted_path().end());
  const std::size_t rows = observation.tokens.size();
  if (proto.parents_size() > 0) {
    ASSIGN_OR_RETURN(observation.parents, ParentsFromProto(proto.parents()));
  } else if (observation.accepted_path.size() == rows) {
    observation.parents = ChainParents(rows);
  }
  RETURN_IF_ERROR(ValidateObservation(observation, binding.model.vocab_size, binding.k));
  return observation;
}

absl::StatusOr<Observation> PromptFromProto(const v1::PromptObservation& proto,
                                            const MatrixBinding& binding) {
  ASSIGN_OR_RETURN(Observation observation, RowsFromProto(proto, binding));
  observation.parents = ChainParents(observation.tokens.size());
  RETURN_IF_ERROR(ValidateObservation(observation, binding.model.vocab_size, binding.k));
  return observation;
}

absl::StatusOr<Proposal> ProposalFromProto(const v1::Proposal& proto, const TreeTemplate& shape,
                                           std::uint32_t vocab_size) {
  if (proto.base() == 0) {
    return absl::InvalidArgumentError(
        "proposal: got base 0, expected at least 1, because the root is committed");
  }
  if (proto.root() >= vocab_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("proposal: got root ", proto.root(), ", expected less than ", vocab_size));
  }
  Proposal proposal{.base = proto.base(),
                    .root = proto.root(),
                    .max_nodes = AtMost(proto.max_nodes(), shape.size()),
                    .max_depth = AtMost(proto.max_depth(), kMaxTemplateDepth),
                    .costs = std::nullopt,
                    .other_tokens = proto.other_tokens()};
  constexpr double kMostOtherTokens = 1e9;
  if (!(proto.other_tokens() >= 0 && proto.other_tokens() <= kMostOtherTokens)) {
    return absl::InvalidArgumentError(
        absl::StrCat("proposal: got other_tokens ", proto.other_tokens(), ", expected 0 to 1e9"));
  }
  if (proto.step_costs_size() > 0) {
    std::vector<StepCosts::Point> points;
    points.reserve(static_cast<std::size_t>(proto.step_costs_size()));
    for (const v1::StepCost& cost : proto.step_costs()) {
      points.push_back({.nodes = cost.nodes(), .micros = cost.micros()});
    }
    ASSIGN_OR_RETURN(proposal.costs, StepCosts::Create(std::move(points)));
  }
  return proposal;
}

void MatrixInfoToProto(const MatrixStore::Entry& entry, v1::MatrixInfo* proto) {
  switch (entry.key.scope) {
    case MatrixScope::kRequest:
      proto->set_scope(common::v1::MATRIX_SCOPE_REQUEST);
      break;
    case MatrixScope::kTenant:
      proto->set_scope(common::v1::MATRIX_SCOPE_TENANT);
      break;
    case MatrixScope::kShared:
      proto->set_scope(common::v1::MATRIX_SCOPE_SHARED);
      break;
  }
  proto->set_tenant(entry.key.tenant);
  proto->set_rows_filled(entry.memory->matrix.rows_filled());
  proto->set_row_updates(entry.memory->matrix.row_updates());
  proto->set_pair_rows_filled(entry.memory->pairs.rows_filled());
  proto->set_pair_slots(std::uint32_t{1} << entry.memory->pairs.bits());
  proto->set_bytes(entry.memory->memory_bytes());
}

}  // namespace recycling::drafter
