#include "drafter/service/draft_session.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "common/rpc/idle_streams.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/status_grpc.h"
#include "drafter/sources/draft_sources.h"
#include "drafter/tree/mixing_estimator.h"
#include "drafter/tree/tree_builder.h"

namespace recycling::drafter {
namespace {

// One stream over gRPC. It reads the next message only after it has written the answer to the last
// one. So at most one answer waits for the client.
class GrpcDraftStream final : public IdleStream {
 public:
  using Stream = grpc::ServerReaderWriter<v1::DraftResponse, v1::DraftRequest>;

  GrpcDraftStream(DrafterState* state, grpc::ServerContext* context, Stream* stream)
      : state_(state),
        context_(context),
        stream_(stream),
        exchange_(state, SessionLog(context->client_metadata())),
        heard_(state->streams.Now()) {}

  absl::Status Run() {
    absl::Status status = Steps();
    MutexLock lock(mutex_);
    ended_ = true;
    if (!idle_.ok()) status = idle_;
    exchange_.End(status);
    return status;
  }

  // TryCancel ends a Read or Write that waits for the client.
  void EndIfIdle(absl::Duration since, const absl::Status& why) override {
    MutexLock lock(mutex_);
    if (ended_ || heard_ > since) return;
    idle_ = why;
    context_->TryCancel();
  }

 private:
  absl::Status Steps() {
    while (stream_->Read(&request_)) {
      {
        MutexLock lock(mutex_);
        heard_ = state_->streams.Now();
      }
      ASSIGN_OR_RETURN(const bool answered, exchange_.Handle(request_, &response_));
      if (answered && !stream_->Write(response_)) return absl::CancelledError("the client is gone");
    }
    return absl::OkStatus();  // the client has closed its side, or the call was cancelled
  }

  DrafterState* const state_;
  grpc::ServerContext* const context_;
  Stream* const stream_;
  v1::DraftRequest request_;
  v1::DraftResponse response_;
  DraftExchange exchange_;

  Mutex mutex_;
  absl::Duration heard_ ABSL_GUARDED_BY(mutex_);  // when the client's last message came
  absl::Status idle_ ABSL_GUARDED_BY(mutex_);     // why the stream was cancelled; OK if it was not
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class LocalDraftStream final : public DraftStream {
 public:
  LocalDraftStream(DrafterState* state, const CallOrigin& origin)
      : exchange_(state, SessionLog(origin)) {}

  ~LocalDraftStream() override { Close(absl::ZeroDuration()); }

  bool Send(absl::FunctionRef<void(v1::DraftRequest&)> fill) override {
    if (end_.has_value()) return false;
    fill(request_);
    const absl::StatusOr<bool> answered = exchange_.Handle(request_, &response_);
    if (!answered.ok()) {
      EndWith(answered.status());
    } else if (*answered) {
      arrived_ = true;
    }
    return true;
  }

  // An answer that is not here now will never come.
  absl::StatusOr<bool> Receive(absl::Duration, v1::DraftResponse* message) override {
    if (std::exchange(arrived_, false)) {
      message->Swap(&response_);
      return true;
    }
    if (cancelled_) return absl::CancelledError("the stream was cancelled");
    if (end_.has_value() && !end_->ok()) return *end_;
    return absl::UnavailableError("the drafter has nothing to answer");
  }

  void Close(absl::Duration) override {
    if (!end_.has_value()) EndWith(absl::OkStatus());
  }
  void WaitDone() override {}
  void Cancel() override { cancelled_ = true; }

 private:
  void EndWith(const absl::Status& status) {
    end_ = status;
    exchange_.End(status);
  }

  v1::DraftRequest request_;
  v1::DraftResponse response_;
  bool arrived_ = false;             // response_ holds a message for Receive
  std::optional<absl::Status> end_;  // the session has ended
  std::atomic<bool> cancelled_{false};
  DraftExchange exchange_;
};

// Makes a drafter that uses the sources that are on, and writes what it learns to `memory`.
SequenceDrafter MakeDrafter(const DrafterState& state, ScopeMemory* memory,
                            std::vector<TokenId> committed) {
  CandidateSources sources = MakeSources(&memory->matrix, &memory->pairs,
                                         {.base = state.store->base(), .on = state.sources});
  auto estimator = std::make_unique<MixingEstimator>(sources, &memory->mixing);
  return SequenceDrafter(std::move(sources), std::move(estimator), std::move(committed));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DraftSession>> DraftSession::Open(const v1::OpenSession& open,
                                                                 DrafterState* state) {
  ASSIGN_OR_RETURN(const MatrixKey key, MatrixKeyFromProto(open.scope(), open.tenant()));
  MatrixBinding binding = BindingFromProto(open.model(), open.k());
  ASSIGN_OR_RETURN(std::vector<TokenId> committed, CommittedFromProto(open));
  RETURN_IF_ERROR(state->store->Bind(binding));
  ASSIGN_OR_RETURN(std::shared_ptr<ScopeMemory> memory, state->store->Use(key));
  return std::unique_ptr<DraftSession>(
      new DraftSession(state, std::move(binding), std::move(memory), std::move(committed)));
}

DraftSession::DraftSession(DrafterState* state, MatrixBinding binding,
                           std::shared_ptr<ScopeMemory> memory, std::vector<TokenId> committed)
    : state_(state),
      binding_(std::move(binding)),
      memory_(std::move(memory)),
      drafter_(MakeDrafter(*state, memory_.get(), std::move(committed))) {
  ++state_->open_sessions;
  state_->counters.Opened();
}

absl::StatusOr<bool> DraftSession::Step(const v1::DraftStep& step, v1::DraftResponse* response) {
  const absl::Duration start = RealClock().Monotonic();
  std::optional<Observation> prompt, observation;
  std::optional<Proposal> proposal;
  if (step.has_prompt()) {
    ASSIGN_OR_RETURN(prompt, PromptFromProto(step.prompt(), binding_));
  }
  if (step.has_observation()) {
    ASSIGN_OR_RETURN(observation, ObservationFromProto(step.observation(), binding_));
  }
  if (step.has_proposal()) {
    ASSIGN_OR_RETURN(proposal,
                     ProposalFromProto(step.proposal(), state_->shape, binding_.model.vocab_size));
  }
  LearnStep(step.step(), prompt, observation, proposal);
  state_->counters.Learnt((prompt.has_value() ? prompt->tokens.size() : 0) +
                          (observation.has_value() ? observation->tokens.size() : 0));
  if (!proposal.has_value()) return false;
  DraftTree tree = Propose(*proposal);
  tree.base = proposal->base;
  response->set_step(step.step());
  DraftTreeToProto(tree, response->mutable_tree());
  const absl::Duration spent = RealClock().Monotonic() - start;
  response->set_draft_micros(static_cast<std::uint64_t>(absl::ToInt64Microseconds(spent)));
  state_->counters.Drafted(static_cast<std::uint64_t>(tree.drafted()), spent);
  return true;
}

void DraftSession::LearnStep(std::uint64_t step, const std::optional<Observation>& prompt,
                             const std::optional<Observation>& observation,
                             const std::optional<Proposal>& proposal) {
  StepNews news{.step = step,
                .prompt = prompt.has_value() ? &*prompt : nullptr,
                .observation = observation.has_value() ? &*observation : nullptr,
                .next = std::nullopt};
  if (proposal.has_value()) news.next = NextRoot{.base = proposal->base, .root = proposal->root};
  drafter_.Learn(news);
  state_->store->Grow(memory_.get());
}

DraftTree DraftSession::Propose(const Proposal& proposal) {
  if (!proposal.costs.has_value()) {
    // The template tree consists of candidates of the matrix.
    const bool on = (state_->sources & SetOf(DraftSource::kMatrix)) != 0;
    return BuildTree(memory_->matrix, proposal.root, state_->shape, on ? proposal.max_nodes : 0,
                     proposal.max_depth);
  }
  return drafter_.Propose(*proposal.costs, proposal.max_nodes, proposal.max_depth,
                          proposal.other_tokens);
}

absl::StatusOr<bool> DraftExchange::Handle(const v1::DraftRequest& request,
                                           v1::DraftResponse* response) {
  if (request.has_open()) {
    if (session_ != nullptr) return absl::InvalidArgumentError("got a second open");
    ASSIGN_OR_RETURN(session_, DraftSession::Open(request.open(), state_));
    log_.Opened(request.open());
    return false;
  }
  if (session_ == nullptr) {
    return absl::InvalidArgumentError("got no open as the first message");
  }
  if (!request.has_step()) {
    return absl::InvalidArgumentError("got an empty message, expected a step");
  }
  log_.Stepped(request.step());
  ASSIGN_OR_RETURN(const bool proposed, session_->Step(request.step(), response));
  if (proposed) log_.Answered(*response);
  return proposed;
}

void DraftExchange::End(const absl::Status& status) {
  session_.reset();
  log_.Ended(status);
}

std::unique_ptr<DraftStream> OpenLocalDraft(DrafterState* state, const CallOrigin& origin) {
  return std::make_unique<LocalDraftStream>(state, origin);
}

absl::Status RunDraftStream(DrafterState* state, grpc::ServerContext* context,
                            grpc::ServerReaderWriter<v1::DraftResponse, v1::DraftRequest>* stream) {
  const auto served = std::make_shared<GrpcDraftStream>(state, context, stream);
  state->streams.Add(served);
  const absl::Status status = served->Run();
  state->streams.Remove(served.get());
  return status;
}

}  // namespace recycling::drafter
