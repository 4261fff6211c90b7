#include "drafter/service/drafter_service.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "common/base/build_version.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/protocol_version.h"
#include "common/rpc/refused_call.h"
#include "common/rpc/status_grpc.h"
#include "drafter/service/draft_session.h"
#include "drafter/service/drafter_convert.h"
#include "drafter/service/drafter_metrics.h"
#include "drafter/service/matrix_transfer.h"

namespace recycling::drafter {
namespace {

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

absl::Status CheckHandshake(const v1::HandshakeRequest& request, MatrixStore* store) {
  RETURN_IF_ERROR(CheckProtocolVersion(request.protocol_version()));
  return store->Bind(BindingFromProto(request.model(), request.k()));
}

// Serves a call without a stream: opens a session, runs one step, and closes the session.
absl::Status RunOneStep(const v1::OpenSession& open, const v1::DraftStep& step, DrafterState* state,
                        v1::DraftResponse* response) {
  if (open.scope() == common::v1::MATRIX_SCOPE_REQUEST) {
    return absl::InvalidArgumentError(
        "scope: got REQUEST, expected TENANT or SHARED for a call without a stream");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<DraftSession> session, DraftSession::Open(open, state));
  return session->Step(step, response).status();
}

}  // namespace

bool TransferBudget::Take(std::uint64_t bytes) {
  std::uint64_t used = used_.load();
  do {
    if (bytes > max_bytes_ || used > max_bytes_ - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

grpc::ServerUnaryReactor* GrpcDrafterService::Handshake(grpc::CallbackServerContext* context,
                                                        const v1::HandshakeRequest* request,
                                                        v1::HandshakeResponse* response) {
  if (const absl::Status may = CheckCaller(callers_, *context, Access::kPeer); !may.ok()) {
    return Finish(context, may);
  }
  const bool first = !state_.store->binding().has_value();
  const absl::Status status = CheckHandshake(*request, state_.store);
  if (status.ok()) {
    response->set_drafter_id(state_.drafter_id);
    response->set_max_tree_nodes(static_cast<std::uint32_t>(state_.shape.size()));
    response->set_build(BuildVersion());
    response->set_protocol_version(kProtocolVersion);
    response->set_shared_scope_allowed(state_.store->options().allow_shared);
    response->set_tree_template(state_.shape.name());
  }
  // Gateways send handshakes every few seconds, so log only the first one and those that fail.
  if (first || !status.ok()) {
    Log(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, "handshake",
        {{"peer", context->peer()},
         {"model", request->model().model_id()},
         {"k", absl::StrCat(request->k())},
         {"status", status.ToString()}});
  }
  return Finish(context, status);
}

grpc::Status GrpcDrafterService::Draft(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::DraftResponse, v1::DraftRequest>* stream) {
  if (const absl::Status may = CheckCaller(callers_, *context, Access::kPeer); !may.ok()) {
    return ToGrpcStatus(may);
  }
  const int streams = ++streams_;
  const absl::Status status =
      streams > kMostDraftStreams
          ? absl::ResourceExhaustedError(absl::StrCat(
                "draft: got a stream beyond the ", kMostDraftStreams, " that can be open at once"))
          : RunDraftStream(&state_, context, stream);
  --streams_;
  return ToGrpcStatus(status);
}

std::unique_ptr<DraftStream> GrpcDrafterService::OpenDraft(const CallOrigin& origin) {
  return OpenLocalDraft(&state_, origin);
}

grpc::ServerUnaryReactor* GrpcDrafterService::Propose(grpc::CallbackServerContext* context,
                                                      const v1::ProposeRequest* request,
                                                      v1::ProposeResponse* response) {
  if (const absl::Status may = CheckCaller(callers_, *context, Access::kPeer); !may.ok()) {
    return Finish(context, may);
  }
  v1::DraftStep step;
  *step.mutable_proposal() = request->proposal();
  v1::DraftResponse answer;
  const absl::Status status = RunOneStep(request->session(), step, &state_, &answer);
  *response->mutable_tree() = std::move(*answer.mutable_tree());
  return Finish(context, status);
}

grpc::ServerUnaryReactor* GrpcDrafterService::Observe(grpc::CallbackServerContext* context,
                                                      const v1::ObserveRequest* request,
                                                      v1::ObserveResponse*) {
  if (const absl::Status may = CheckCaller(callers_, *context, Access::kPeer); !may.ok()) {
    return Finish(context, may);
  }
  v1::DraftStep step;
  *step.mutable_observation() = request->observation();
  v1::DraftResponse unused;
  return Finish(context, RunOneStep(request->session(), step, &state_, &unused));
}

grpc::ServerUnaryReactor* GrpcDrafterService::GetMatrixInfo(grpc::CallbackServerContext* context,
                                                            const v1::GetMatrixInfoRequest*,
                                                            v1::GetMatrixInfoResponse* response) {
  if (const absl::Status may = CheckCaller(callers_, *context, Access::kAdmin); !may.ok()) {
    return Finish(context, may);
  }
  response->set_drafter_id(state_.drafter_id);
  if (const std::optional<MatrixBinding> binding = state_.store->binding()) {
    ModelIdentityToProto(binding->model, response->mutable_model());
    response->set_k(binding->k);
  }
  for (const MatrixStore::Entry& entry : state_.store->List()) {
    MatrixInfoToProto(entry, response->add_matrices());
  }
  response->set_bytes(state_.store->bytes());
  response->set_max_bytes(state_.store->options().max_bytes);
  response->set_open_sessions(state_.open_sessions.load());
  return Finish(context, absl::OkStatus());
}

void GrpcDrafterService::AddMetrics(MetricSet* metrics) const {
  AddDrafterMetrics(state_.counters.Read(), state_.open_sessions.load(), *state_.store, metrics);
}

grpc::ServerWriteReactor<v1::SaveMatrixResponse>* GrpcDrafterService::SaveMatrix(
    grpc::CallbackServerContext* context, const v1::SaveMatrixRequest* request) {
  if (const absl::Status may = CheckCaller(callers_, *context, Access::kAdmin); !may.ok()) {
    return new RefusedCall<grpc::ServerWriteReactor<v1::SaveMatrixResponse>>(ToGrpcStatus(may));
  }
  return NewSaveReactor(&state_, *request);
}

grpc::ServerReadReactor<v1::LoadMatrixRequest>* GrpcDrafterService::LoadMatrix(
    grpc::CallbackServerContext* context, v1::LoadMatrixResponse* response) {
  if (const absl::Status may = CheckCaller(callers_, *context, Access::kAdmin); !may.ok()) {
    return new RefusedCall<grpc::ServerReadReactor<v1::LoadMatrixRequest>>(ToGrpcStatus(may));
  }
  return NewLoadReactor(&state_, context, response);
}

}  // namespace recycling::drafter
