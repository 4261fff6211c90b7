#include "gateway/grpc/grpc_drafter_client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/rpc/call_metadata.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/protocol_version.h"
#include "common/rpc/status_grpc.h"
#include "gateway/grpc/stream_call.h"
#include "gateway/grpc/stream_closer.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"

namespace recycling::gateway {
namespace {

namespace pb = ::recycling::drafter::v1;
using DraftCall = StreamCall<pb::DraftRequest, pb::DraftResponse>;

constexpr absl::Duration kLinger = absl::Seconds(1);  // time for the last observation to arrive

common::v1::MatrixScope ScopeToProto(MatrixScope scope) {
  switch (scope) {
    case MatrixScope::kRequest:
      return common::v1::MATRIX_SCOPE_REQUEST;
    case MatrixScope::kTenant:
      return common::v1::MATRIX_SCOPE_TENANT;
    case MatrixScope::kShared:
      return common::v1::MATRIX_SCOPE_SHARED;
  }
  return common::v1::MATRIX_SCOPE_UNSPECIFIED;
}

void StepToProto(const DraftStep& step, pb::DraftStep* proto) {
  proto->Clear();
  proto->set_step(step.step);
  if (step.observation.has_value()) {
    auto& observation = *proto->mutable_observation();
    const Observation& from = *step.observation;
    observation.mutable_tokens()->Add(from.tokens.begin(), from.tokens.end());
    CandidatesToProto(from.candidates, observation.mutable_candidates());
    observation.mutable_accepted_path()->Add(from.accepted_path.begin(), from.accepted_path.end());
    if (!from.parents.empty()) {  // the parent of the root is not sent
      observation.mutable_parents()->Add(from.parents.begin() + 1, from.parents.end());
    }
  }
  if (step.prompt.has_value()) {
    auto& prompt = *proto->mutable_prompt();
    prompt.mutable_tokens()->Add(step.prompt->tokens.begin(), step.prompt->tokens.end());
    CandidatesToProto(step.prompt->candidates, prompt.mutable_candidates());
  }
  if (step.proposal.has_value()) {
    auto& proposal = *proto->mutable_proposal();
    proposal.set_base(step.proposal->base);
    proposal.set_root(step.proposal->root);
    proposal.set_max_nodes(static_cast<std::uint32_t>(step.proposal->max_nodes));
    proposal.set_max_depth(static_cast<std::uint32_t>(step.proposal->max_depth));
    for (const StepCost& cost : step.proposal->step_costs) {
      auto* added = proposal.add_step_costs();
      added->set_nodes(cost.nodes);
      added->set_micros(cost.micros);
    }
    proposal.set_other_tokens(step.proposal->other_tokens);
  }
}

OpenDraftStream StreamsOver(std::shared_ptr<pb::DrafterService::Stub> stub) {
  return [stub = std::move(stub)](absl::Time deadline, const CallOrigin& origin) {
    return DraftCall::Start(deadline, [&](auto* context, auto* events) {
      AddOrigin(origin, context);
      return stub->PrepareAsyncDraft(context, events);
    });
  };
}

class GrpcDrafterSession final : public DrafterSession {
 public:
  GrpcDrafterSession(std::unique_ptr<DraftStream> stream, pb::OpenSession open, const Clock& clock)
      : clock_(clock), stream_(std::move(stream)) {
    stream_->Send(
        [&open](pb::DraftRequest& request) { *request.mutable_open() = std::move(open); });
  }

  ~GrpcDrafterSession() override {
    static StreamCloser closer;
    stream_->Close(kLinger);
    closer.Take(std::move(stream_));
  }

  void Send(DraftStep step) override {
    stream_->Send(
        [&step](pb::DraftRequest& request) { StepToProto(step, request.mutable_step()); });
  }

  absl::StatusOr<DraftAnswer> Receive(std::uint64_t step, absl::Duration timeout) override {
    const absl::Duration until = clock_.Monotonic() + timeout;
    while (true) {
      const absl::Duration left = until - clock_.Monotonic();
      const auto received = stream_->Receive(left, &response_);
      // The request's deadline has ended the stream. No answer will come any more, so return
      // Unavailable, because DeadlineExceeded would mean a late answer.
      if (absl::IsDeadlineExceeded(received.status())) {
        return absl::UnavailableError(received.status().message());
      }
      RETURN_IF_ERROR(received.status());
      // Drop answers to earlier steps, but only until the timeout, because a drafter may send them
      // without end.
      const bool stale = *received && response_.step() < step;
      if (!*received || (stale && left <= absl::ZeroDuration())) {
        return absl::DeadlineExceededError(absl::StrCat("the draft of step ", step, " is late"));
      }
      if (stale) continue;
      if (response_.step() > step) {
        return absl::InternalError(
            absl::StrCat("draft: got step ", response_.step(), ", expected ", step));
      }
      auto tree = DraftTreeFromProto(response_.tree());
      // A malformed answer becomes a tree without nodes. The caller counts it as malformed, and the
      // session continues.
      return DraftAnswer{.tree = tree.ok() ? *std::move(tree) : DraftTree(),
                         .inside = MicrosFromProto(response_.draft_micros())};
    }
  }

 private:
  const Clock& clock_;
  std::unique_ptr<DraftStream> stream_;
  pb::DraftResponse response_;  // reused, so that its memory is not allocated again
};

}  // namespace

GrpcDrafterClient::GrpcDrafterClient(std::string address, OpenDraftStream open, ModelIdentity model,
                                     std::uint32_t k, const Clock& clock)
    : address_(std::move(address)),
      open_(std::move(open)),
      model_(std::move(model)),
      k_(k),
      clock_(clock) {}

absl::StatusOr<std::shared_ptr<GrpcDrafterClient>> GrpcDrafterClient::Connect(
    std::shared_ptr<grpc::Channel> channel, const std::string& address, const ModelIdentity& model,
    std::uint32_t k, absl::Duration timeout, const Clock& clock, OpenDraftStream open) {
  const std::shared_ptr<pb::DrafterService::Stub> stub =
      pb::DrafterService::NewStub(std::move(channel));
  if (open == nullptr) open = StreamsOver(stub);
  std::shared_ptr<GrpcDrafterClient> client(
      new GrpcDrafterClient(address, std::move(open), model, k, clock));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
  pb::HandshakeRequest request;
  ModelIdentityToProto(model, request.mutable_model());
  request.set_k(k);
  request.set_protocol_version(kProtocolVersion);
  pb::HandshakeResponse response;
  RETURN_IF_ERROR(FromGrpcStatus(stub->Handshake(&context, request, &response)));
  RETURN_IF_ERROR(CheckProtocolVersion(response.protocol_version()));
  client->shared_scope_allowed_ = response.shared_scope_allowed();
  return client;
}

std::unique_ptr<DrafterSession> GrpcDrafterClient::NewSession(OpenDrafting open,
                                                              absl::Time deadline,
                                                              const CallOrigin& origin) {
  pb::OpenSession proto;
  ModelIdentityToProto(model_, proto.mutable_model());
  proto.set_k(k_);
  proto.set_tenant(open.tenant);
  proto.set_scope(ScopeToProto(open.scope));
  const std::size_t sent = std::min(open.committed.size(), kMostCommittedTokens);
  proto.mutable_committed_ids()->Add(open.committed.end() - static_cast<std::ptrdiff_t>(sent),
                                     open.committed.end());
  return std::make_unique<GrpcDrafterSession>(open_(deadline, origin), std::move(proto), clock_);
}

}  // namespace recycling::gateway
