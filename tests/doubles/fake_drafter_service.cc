#include "tests/doubles/fake_drafter_service.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/status_grpc.h"
#include "tests/doubles/fake_verifier_client.h"

namespace recycling::doubles {
namespace {

namespace pb = drafter::v1;

int ToInt(std::uint32_t value) {
  return static_cast<int>(
      std::min<std::uint32_t>(value, std::numeric_limits<std::int32_t>::max() - 1));
}

gateway::Proposal ProposalFromProto(const pb::Proposal& proto) {
  return {.base = proto.base(),
          .root = proto.root(),
          .max_nodes = ToInt(proto.max_nodes()),
          .max_depth = ToInt(proto.max_depth())};
}

// Leaves out the candidates, because the fake knows the model.
gateway::Observation ObservationFromProto(const pb::Observation& proto) {
  gateway::Observation observation;
  observation.tokens.assign(proto.tokens().begin(), proto.tokens().end());
  observation.accepted_path.assign(proto.accepted_path().begin(), proto.accepted_path().end());
  observation.parents = {-1};
  observation.parents.insert(observation.parents.end(), proto.parents().begin(),
                             proto.parents().end());
  return observation;
}

gateway::DraftStep StepFromProto(const pb::DraftStep& proto) {
  gateway::DraftStep step;
  step.step = proto.step();
  if (proto.has_prompt()) step.prompt.emplace();
  if (proto.has_observation()) step.observation = ObservationFromProto(proto.observation());
  if (proto.has_proposal()) step.proposal = ProposalFromProto(proto.proposal());
  return step;
}

}  // namespace

void GarbageTreeToProto(const DraftTree& tree, common::v1::DraftTree* proto) {
  proto->set_base(tree.base);
  if (tree.tokens.empty()) return;
  proto->set_root(tree.tokens[0]);
  for (std::size_t i = 1; i < tree.tokens.size(); ++i) proto->add_tokens(tree.tokens[i]);
  for (std::size_t i = 1; i < tree.parents.size(); ++i) {
    proto->add_parents(static_cast<std::uint32_t>(tree.parents[i]));
  }
  for (std::size_t i = 1; i < tree.ranks.size(); ++i) proto->add_ranks(tree.ranks[i]);
  for (std::size_t i = 1; i < tree.sources.size(); ++i) proto->add_sources(tree.sources[i]);
  for (std::size_t i = 1; i < tree.probabilities.size(); ++i) {
    proto->add_probabilities(tree.probabilities[i]);
  }
}

FakeDrafterService::FakeDrafterService(FakeDrafterOptions options, std::uint32_t k)
    : fake_(std::move(options)), k_(k), identity_(fake_.options().model->Identity()) {}

absl::Status FakeDrafterService::Check(const common::v1::ModelIdentity& model,
                                       std::uint32_t k) const {
  if (any_model_) return ValidateModelIdentity(ModelIdentityFromProto(model));
  if (k != k_) {
    return absl::FailedPreconditionError(absl::StrCat("k: got ", k, ", expected ", k_));
  }
  return CheckSameModel(ModelIdentityFromProto(model), identity_);
}

grpc::Status FakeDrafterService::Handshake(grpc::ServerContext*,
                                           const pb::HandshakeRequest* request,
                                           pb::HandshakeResponse* response) {
  if (absl::Status status = Check(request->model(), request->k()); !status.ok()) {
    return ToGrpcStatus(status);
  }
  response->set_drafter_id(fake_.address());
  response->set_max_tree_nodes(static_cast<std::uint32_t>(fake_.options().max_tree_nodes));
  response->set_build("fake");
  response->set_protocol_version(1);
  response->set_shared_scope_allowed(true);
  response->set_tree_template("toy");
  return grpc::Status::OK;
}

grpc::Status FakeDrafterService::Draft(
    grpc::ServerContext*, grpc::ServerReaderWriter<pb::DraftResponse, pb::DraftRequest>* stream) {
  pb::DraftRequest request;
  if (!stream->Read(&request)) return grpc::Status::OK;
  if (!request.has_open()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "request: got a step, expected open first"};
  }
  if (absl::Status status = Check(request.open().model(), request.open().k()); !status.ok()) {
    return ToGrpcStatus(status);
  }
  FakeDrafterOptions options = fake_.options();
  if (any_model_) {
    options.model = std::make_shared<ToyModel>(
        ToyModelOptions{.vocab_size = request.open().model().vocab_size()});
  }
  const auto session = FakeDrafterClient(std::move(options))
                           .NewSession({.tenant = request.open().tenant(),
                                        .scope = gateway::MatrixScope::kTenant,
                                        .committed = {request.open().committed_ids().begin(),
                                                      request.open().committed_ids().end()}},
                                       absl::InfiniteFuture(), {});
  while (stream->Read(&request)) {
    const std::uint64_t step = request.step().step();
    session->Send(StepFromProto(request.step()));
    if (!request.step().has_proposal()) continue;
    const auto answer = session->Receive(step, absl::ZeroDuration());
    if (answer.status().message() == kSilence) continue;
    if (answer.status().message() == kStreamDropped) return grpc::Status::OK;
    if (!answer.ok()) return ToGrpcStatus(answer.status());
    pb::DraftResponse response;
    response.set_step(step);
    if (const DraftTree& tree = answer->tree; !tree.tokens.empty()) {
      GarbageTreeToProto(tree, response.mutable_tree());
    }
    if (!stream->Write(response)) break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeDrafterService::Propose(grpc::ServerContext*, const pb::ProposeRequest* request,
                                         pb::ProposeResponse* response) {
  const auto& session = request->session();
  if (absl::Status status = Check(session.model(), session.k()); !status.ok()) {
    return ToGrpcStatus(status);
  }
  const DraftTree tree =
      FakeDraft(fake_.options(), 0, ProposalFromProto(request->proposal()), DraftFault::kNone);
  GarbageTreeToProto(tree, response->mutable_tree());
  return grpc::Status::OK;
}

grpc::Status FakeDrafterService::Observe(grpc::ServerContext*, const pb::ObserveRequest* request,
                                         pb::ObserveResponse*) {
  const auto& session = request->session();
  return ToGrpcStatus(Check(session.model(), session.k()));
}

grpc::Status FakeDrafterService::GetMatrixInfo(grpc::ServerContext*,
                                               const pb::GetMatrixInfoRequest*,
                                               pb::GetMatrixInfoResponse* response) {
  response->set_drafter_id(fake_.address());
  ModelIdentityToProto(identity_, response->mutable_model());
  response->set_k(k_);
  return grpc::Status::OK;
}

}  // namespace recycling::doubles
