#include "verifier/service/verifier_service.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/protocol_version.h"
#include "common/rpc/refused_call.h"
#include "common/rpc/status_grpc.h"
#include "verifier/service/decode_session.h"
#include "verifier/service/local_decode.h"
#include "verifier/service/rpc_sequence.h"
#include "verifier/service/sequence_log.h"
#include "verifier/service/verifier_convert.h"

namespace recycling::verifier {
namespace {

class TokenizerReactor final : public grpc::ServerWriteReactor<v1::GetTokenizerResponse> {
 public:
  explicit TokenizerReactor(const std::vector<std::string>& chunks) : chunks_(chunks) { Next(); }

  void OnWriteDone(bool ok) override {
    if (ok) {
      Next();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

 private:
  void Next() {
    if (next_ == chunks_.size()) return Finish(grpc::Status::OK);
    response_.set_chunk(chunks_[next_++]);
    StartWrite(&response_);
  }

  const std::vector<std::string>& chunks_;
  std::size_t next_ = 0;
  v1::GetTokenizerResponse response_;
};

// One stream over gRPC. At any time exactly one of these is in progress: a read, an operation of
// the session, a write, or the end of the stream. In the meantime only OnCancel and EndIfIdle may
// be called.
class DecodeReactor final : public grpc::ServerBidiReactor<v1::DecodeRequest, v1::DecodeResponse>,
                            public IdleStream {
 public:
  // `scheduler`, `model`, `gate` and `streams` must outlive the call. The reactor exists until
  // OnDone.
  static DecodeReactor* Start(Scheduler& scheduler, const ModelIdentity& model, DrainGate& gate,
                              IdleStreams& streams, grpc::CallbackServerContext* context) {
    std::shared_ptr<DecodeReactor> reactor(
        new DecodeReactor(scheduler, model, gate, streams, context));
    reactor->self_ = reactor;
    streams.Add(reactor);
    MutexLock lock(reactor->mutex_);
    reactor->Read();
    return reactor.get();
  }

  void OnReadDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      if (ended_) return;
      turn_ = Turn::kOurs;
    }
    if (!ok) return End(absl::OkStatus());  // the client has closed its side or is lost
    if (absl::Status status = session_.Begin(request_, &response_); !status.ok()) End(status);
  }
  void OnWriteDone(bool ok) override {
    absl::Status end = absl::CancelledError("the stream is broken");
    {
      MutexLock lock(mutex_);
      if (ok && !idle_.has_value()) return Read();
      turn_ = Turn::kOurs;
      if (idle_.has_value()) end = *idle_;
    }
    End(end);
  }
  void OnCancel() override { session_.Cancel(); }
  void OnDone() override {
    streams_.Remove(this);
    const auto last = std::move(self_);  // deletes this object, unless IdleStreams still holds it
  }

  void EndIfIdle(absl::Duration since, const absl::Status& why) override {
    {
      MutexLock lock(mutex_);
      if (turn_ == Turn::kOurs || turn_since_ > since || ended_) return;
      if (turn_ == Turn::kAnswered) {
        // If the client still has not read its answer at the next sweep, it would not read a status
        // either.
        if (idle_.has_value()) context_.TryCancel();
        idle_ = why;
        return;
      }
      ended_ = true;
    }
    End(why);  // this also ends the current read
  }

 private:
  // Who must act next. kOurs: the verifier. kAnswered: the client must receive the answer that is
  // being written. kReads: the client must send its next message.
  enum class Turn { kOurs, kAnswered, kReads };

  DecodeReactor(Scheduler& scheduler, const ModelIdentity& model, DrainGate& gate,
                IdleStreams& streams, grpc::CallbackServerContext* context)
      : streams_(streams),
        context_(*context),
        session_(
            scheduler, model, gate, SequenceLog(context->client_metadata()),
            [this](const absl::Status& status) { return status.ok() ? Write() : End(status); }),
        turn_since_(streams.Now()) {}

  // Needs the lock, so that EndIfIdle does not run at the same time.
  void Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    turn_ = Turn::kReads;
    StartRead(&request_);
  }
  void Write() {
    MutexLock lock(mutex_);
    turn_ = Turn::kAnswered;
    turn_since_ = streams_.Now();
    StartWrite(&response_);
  }

  // Frees the slot before the client receives the end of the stream.
  void End(const absl::Status& status) {
    session_.End(status);
    Finish(ToGrpcStatus(status));
  }

  IdleStreams& streams_;
  grpc::CallbackServerContext& context_;
  std::shared_ptr<DecodeReactor> self_;
  DecodeSession session_;
  v1::DecodeRequest request_;
  v1::DecodeResponse response_;

  Mutex mutex_;
  Turn turn_ ABSL_GUARDED_BY(mutex_) = Turn::kOurs;
  absl::Duration turn_since_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // EndIfIdle ended the stream during a read
  std::optional<absl::Status> idle_ ABSL_GUARDED_BY(mutex_);  // ends the stream after the write
};

// One call of Verify: opens a sequence, verifies one step and ends. Drain handles it like a Decode
// stream.
class VerifyReactor final : public grpc::ServerUnaryReactor {
 public:
  // All arguments must outlive the reactor, which deletes itself in OnDone.
  VerifyReactor(Scheduler& scheduler, const ModelIdentity& model, DrainGate& gate,
                const v1::VerifyRequest& request, v1::VerifyResponse& response)
      : scheduler_(scheduler),
        model_(model),
        gate_(gate),
        request_(request),
        response_(response),
        sequence_(scheduler) {
    if (absl::Status status = Begin(); !status.ok()) End(status);
  }

  void OnCancel() override { sequence_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  absl::Status Begin() {
    ASSIGN_OR_RETURN(SequenceOptions options, ReadOpen(request_.open(), model_, scheduler_));
    ASSIGN_OR_RETURN(step_, StepFromProto(request_.verify(), scheduler_.options().max_tree_nodes));
    RETURN_IF_ERROR(gate_.Enter(this, [this] { sequence_.Cancel(); }));
    return sequence_.Open(std::move(options), [this](absl::StatusOr<OpenResult> result) {
      if (!result.ok()) return End(result.status());
      if (absl::Status status = Opened(*result); !status.ok()) End(status);
    });
  }

  absl::Status Opened(const OpenResult& result) {
    OpenResultToProto(result, scheduler_.load(), response_.mutable_opened());
    if (step_.base == 0) step_.base = result.base;
    const std::uint32_t base = step_.base;
    return sequence_.Verify(std::move(step_), [this, base](absl::StatusOr<StepResult> step) {
      if (!step.ok()) return End(step.status());
      StepResultToProto(*step, request_.verify().step(), base, scheduler_.load(),
                        response_.mutable_verified());
      End(absl::OkStatus());
    });
  }

  void End(const absl::Status& status) {
    sequence_.Close();
    gate_.Leave(this);
    Finish(ToGrpcStatus(status));
  }

  Scheduler& scheduler_;
  const ModelIdentity& model_;
  DrainGate& gate_;
  const v1::VerifyRequest& request_;
  v1::VerifyResponse& response_;
  RpcSequence sequence_;
  VerifyStep step_;
};

}  // namespace

VerifierService::VerifierService(Scheduler& scheduler, VerifierFacts facts,
                                 absl::Duration stream_idle_timeout, const Clock& clock)
    : scheduler_(scheduler), facts_(std::move(facts)), streams_(stream_idle_timeout, clock) {}

absl::Status VerifierService::Check(const grpc::CallbackServerContext& context) const {
  return CheckCaller(facts_.callers, context, Access::kPeer);
}

grpc::ServerUnaryReactor* VerifierService::Handshake(grpc::CallbackServerContext* context,
                                                     const v1::HandshakeRequest*,
                                                     v1::HandshakeResponse* response) {
  if (const absl::Status may = Check(*context); !may.ok()) {
    return new RefusedCall<grpc::ServerUnaryReactor>(ToGrpcStatus(may));
  }
  if (const absl::Status passes = scheduler_.CheckPasses(); !passes.ok()) {
    return new RefusedCall<grpc::ServerUnaryReactor>(ToGrpcStatus(passes));
  }
  const Transformer& transformer = scheduler_.transformer();
  const SchedulerOptions& options = scheduler_.options();
  ModelIdentityToProto(facts_.model, response->mutable_model());
  response->set_context_length(transformer.context_length());
  response->set_k(options.k);
  response->set_max_tree_nodes(static_cast<std::uint32_t>(options.max_tree_nodes));
  response->set_max_sequences(static_cast<std::uint32_t>(scheduler_.max_sequences()));
  response->set_numerics_id(transformer.numerics_id());
  response->set_build(facts_.build);
  response->set_protocol_version(kProtocolVersion);
  response->mutable_eos_token_ids()->Add(options.eos_ids.begin(), options.eos_ids.end());
  LoadToProto(scheduler_.load(), response->mutable_load());
  response->set_kernel(scheduler_.kernel_costs().text());
  response->set_model_description(facts_.model_description);
  response->set_draining(gate_.draining());
  response->set_page_tokens(kKvBlockRows);
  response->set_chat_template(facts_.chat_template);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<v1::GetTokenizerResponse>* VerifierService::GetTokenizer(
    grpc::CallbackServerContext* context, const v1::GetTokenizerRequest*) {
  if (const absl::Status may = Check(*context); !may.ok()) {
    return new RefusedCall<grpc::ServerWriteReactor<v1::GetTokenizerResponse>>(ToGrpcStatus(may));
  }
  return new TokenizerReactor(facts_.tokenizer_chunks);
}

grpc::ServerBidiReactor<v1::DecodeRequest, v1::DecodeResponse>* VerifierService::Decode(
    grpc::CallbackServerContext* context) {
  if (const absl::Status may = Check(*context); !may.ok()) {
    return new RefusedCall<grpc::ServerBidiReactor<v1::DecodeRequest, v1::DecodeResponse>>(
        ToGrpcStatus(may));
  }
  return DecodeReactor::Start(scheduler_, facts_.model, gate_, streams_, context);
}

std::unique_ptr<DecodeStream> VerifierService::OpenDecode(absl::Time deadline,
                                                          const CallOrigin& origin) {
  return OpenLocalDecode(scheduler_, facts_.model, gate_, deadline, origin);
}

grpc::ServerUnaryReactor* VerifierService::Verify(grpc::CallbackServerContext* context,
                                                  const v1::VerifyRequest* request,
                                                  v1::VerifyResponse* response) {
  if (const absl::Status may = Check(*context); !may.ok()) {
    return new RefusedCall<grpc::ServerUnaryReactor>(ToGrpcStatus(may));
  }
  return new VerifyReactor(scheduler_, facts_.model, gate_, *request, *response);
}

}  // namespace recycling::verifier
