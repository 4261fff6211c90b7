#include "drafter/service/matrix_transfer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "common/rpc/idle_streams.h"
#include "common/rpc/status_grpc.h"
#include "drafter/service/drafter_convert.h"
#include "drafter/store/snapshot.h"

namespace recycling::drafter {
namespace {

absl::Status NoTransferRoom() {
  return absl::ResourceExhaustedError(
      "the snapshots that are being sent or received use all the memory for transfers, try again "
      "later");
}

// Takes bytes from the budget. The destructor gives them back.
class TransferLease {
 public:
  explicit TransferLease(TransferBudget* budget) : budget_(budget) {}
  ~TransferLease() { budget_->Give(taken_); }

  bool Take(std::uint64_t bytes) {
    if (!budget_->Take(bytes)) return false;
    taken_ += bytes;
    return true;
  }

 private:
  TransferBudget* const budget_;
  std::uint64_t taken_ = 0;
};

class SaveReactor final : public grpc::ServerWriteReactor<v1::SaveMatrixResponse> {
 public:
  SaveReactor(DrafterState* state, const v1::SaveMatrixRequest& request)
      : lease_(&state->transfers) {
    const absl::Status status = Encode(state, request);
    if (status.ok()) {
      WriteNext();
    } else {
      Finish(ToGrpcStatus(status));
    }
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      WriteNext();
    } else {
      Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone"));
    }
  }

  void OnDone() override { delete this; }

 private:
  absl::Status Encode(DrafterState* state, const v1::SaveMatrixRequest& request) {
    ASSIGN_OR_RETURN(const MatrixKey key, StoredKeyFromProto(request.scope(), request.tenant()));
    ASSIGN_OR_RETURN(const std::shared_ptr<ScopeMemory> memory, state->store->Find(key));
    const std::uint64_t bytes = memory->memory_bytes() + kMaxSnapshotOverhead;
    if (!lease_.Take(bytes)) return NoTransferRoom();
    bytes_ = EncodeSnapshot(state->store->binding()->model, *memory);
    // Another thread may have let the pair rows grow in between.
    if (bytes_.size() > bytes && !lease_.Take(bytes_.size() - bytes)) return NoTransferRoom();
    return absl::OkStatus();
  }

  void WriteNext() {
    if (written_ == bytes_.size()) {
      Finish(grpc::Status::OK);
      return;
    }
    const std::size_t size = std::min(kMaxChunkBytes, bytes_.size() - written_);
    response_.set_chunk(bytes_.data() + written_, size);
    written_ += size;
    StartWrite(&response_);
  }

  TransferLease lease_;
  std::string bytes_;
  std::size_t written_ = 0;
  v1::SaveMatrixResponse response_;
};

class LoadReactor final : public grpc::ServerReadReactor<v1::LoadMatrixRequest>, public IdleStream {
 public:
  // Makes a reactor, which exists until OnDone.
  static LoadReactor* Start(DrafterState* state, grpc::CallbackServerContext* context,
                            v1::LoadMatrixResponse* response) {
    std::shared_ptr<LoadReactor> reactor(new LoadReactor(state, context, response));
    reactor->self_ = reactor;
    state->streams.Add(reactor);
    reactor->StartRead(&reactor->request_);
    return reactor.get();
  }

  void OnReadDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      reading_ = false;
      if (!idle_.ok()) return Finish(ToGrpcStatus(idle_));
      heard_ = state_->streams.Now();
    }
    const absl::Status status = ok ? Collect() : Load();
    if (!status.ok()) {
      Finish(ToGrpcStatus(status));
    } else if (ok) {
      MutexLock lock(mutex_);
      reading_ = true;
      StartRead(&request_);
    } else if (state_->saver == nullptr) {
      Finish(grpc::Status::OK);
    } else {
      state_->saver->Request([this](const absl::Status& saved) { FinishSaved(saved); });
    }
  }

  void OnDone() override {
    state_->streams.Remove(this);
    const auto last = std::move(self_);  // IdleStreams may hold the reactor a moment longer
  }

  // TryCancel ends the read that waits for the client.
  void EndIfIdle(absl::Duration since, const absl::Status& why) override {
    MutexLock lock(mutex_);
    if (!reading_ || heard_ > since) return;
    idle_ = why;
    context_->TryCancel();
  }

 private:
  LoadReactor(DrafterState* state, grpc::CallbackServerContext* context,
              v1::LoadMatrixResponse* response)
      : state_(state),
        context_(context),
        response_(response),
        lease_(&state->transfers),
        heard_(state->streams.Now()) {}

  absl::Status Collect() {
    if (request_.has_target()) {
      if (key_.has_value()) return absl::InvalidArgumentError("got a second target");
      ASSIGN_OR_RETURN(key_,
                       StoredKeyFromProto(request_.target().scope(), request_.target().tenant()));
      return state_->store->ValidateKey(*key_);
    }
    if (!key_.has_value()) return absl::InvalidArgumentError("got no target as the first message");
    const std::string& chunk = request_.chunk();
    if (chunk.size() > kMaxChunkBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("chunk: got ", chunk.size(), " bytes, expected at most ", kMaxChunkBytes));
    }
    if (bytes_.size() + chunk.size() > MaxBytes()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "snapshot: got more than ", MaxBytes(), " bytes, expected at most the size of a matrix"));
    }
    if (!lease_.Take(chunk.size())) return NoTransferRoom();
    bytes_ += chunk;
    return absl::OkStatus();
  }

  std::uint64_t MaxBytes() const {
    const std::optional<MatrixBinding> binding = state_->store->binding();
    const std::uint64_t memory = binding.has_value()
                                     ? ScopeMemory::MostBytes(binding->model.vocab_size, binding->k)
                                     : state_->store->options().max_bytes;
    return memory + kMaxSnapshotOverhead;
  }

  absl::Status Load() {
    if (!key_.has_value()) return absl::InvalidArgumentError("got no message, expected a target");
    ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Parse(bytes_));
    RETURN_IF_ERROR(LoadSnapshot(snapshot, *key_, state_->store));
    ASSIGN_OR_RETURN(std::shared_ptr<ScopeMemory> memory, state_->store->Find(*key_));
    Log(LogLevel::kInfo, "matrix loaded",
        {{"tenant", key_->tenant}, {"rows", absl::StrCat(snapshot.rows())}});
    MatrixInfoToProto({*key_, std::move(memory)}, response_->mutable_matrix());
    return absl::OkStatus();
  }

  void FinishSaved(const absl::Status& saved) {
    if (saved.ok()) {
      Finish(grpc::Status::OK);
      return;
    }
    Finish(ToGrpcStatus(absl::Status(
        saved.code(), absl::StrCat("the matrix is replaced but not on disk: ", saved.message()))));
  }

  DrafterState* const state_;
  grpc::CallbackServerContext* const context_;
  v1::LoadMatrixResponse* const response_;
  TransferLease lease_;
  v1::LoadMatrixRequest request_;
  std::optional<MatrixKey> key_;
  std::string bytes_;
  std::shared_ptr<LoadReactor> self_;  // keeps this object until OnDone

  Mutex mutex_;
  absl::Duration heard_ ABSL_GUARDED_BY(mutex_);  // when the client's last message came
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;   // a read waits for the client
  absl::Status idle_ ABSL_GUARDED_BY(mutex_);     // why the call was cancelled; OK if it was not
};

}  // namespace

grpc::ServerWriteReactor<v1::SaveMatrixResponse>* NewSaveReactor(
    DrafterState* state, const v1::SaveMatrixRequest& request) {
  return new SaveReactor(state, request);
}

grpc::ServerReadReactor<v1::LoadMatrixRequest>* NewLoadReactor(DrafterState* state,
                                                               grpc::CallbackServerContext* context,
                                                               v1::LoadMatrixResponse* response) {
  return LoadReactor::Start(state, context, response);
}

}  // namespace recycling::drafter
