// A bidirectional stream as a blocking object: send without waiting, receive with a timeout, close
// gracefully within a bounded time. Built on gRPC's callback API.
//  1. At most one message is read ahead, and at most kMaxQueued wait to be written. Messages are
//     used again, with the memory they hold.
//  2. The call lives until gRPC is done with it, even if its owner has let it go; after Close that
//     is at most `linger` later.
//  3. A message that cannot be read ends the call: gRPC itself would leave it open, and an answer
//     would be waited for in vain.
#ifndef RECYCLING_GATEWAY_STREAM_CALL_H_
#define RECYCLING_GATEWAY_STREAM_CALL_H_

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/status_grpc.h"

namespace recycling::gateway {

// Threads: Cancel any; everything else one at a time.
template <typename Request, typename Response>
class StreamCall final : public grpc::ClientBidiReactor<Request, Response>,
                         public std::enable_shared_from_this<StreamCall<Request, Response>> {
 public:
  static constexpr std::size_t kMaxQueued = 16;
  // How long a status may take after the last message.
  static constexpr absl::Duration kStatusWait = absl::Seconds(1);

  // Starts the call that `begin(context, reactor)` makes, for example
  // `stub->async()->Decode(context, reactor)`. The call ends with DeadlineExceeded at `deadline`.
  template <typename Begin>
  static std::shared_ptr<StreamCall> Start(absl::Time deadline, const Begin& begin) {
    auto call = std::shared_ptr<StreamCall>(new StreamCall);
    {
      MutexLock lock(call->mutex_);
      call->self_ = call;
    }
    if (deadline != absl::InfiniteFuture()) {
      call->context_.set_deadline(absl::ToChronoTime(deadline));
    }
    begin(&call->context_, call.get());
    call->AddHold();  // given back by ReleaseHold
    call->StartCall();
    return call;
  }

  // Queues the message that `fill(message)` makes of a new one, or of one that was sent before and
  // is as it was: fill clears it. Must not call back. Returns false, and nothing is sent, if the
  // stream has ended, is closed or kMaxQueued messages wait.
  template <typename Fill>
  bool Send(const Fill& fill) {
    Request* first = nullptr;
    {
      MutexLock lock(mutex_);
      if (writes_ended_ || reads_ended_ || closing_ || queue_.size() >= kMaxQueued) return false;
      if (spare_.empty()) spare_.push_back(std::make_unique<Request>());
      queue_.push_back(std::move(spare_.back()));
      spare_.pop_back();
      fill(*queue_.back());
      if (queue_.size() > 1) return true;
      first = queue_.front().get();
      this->AddHold();  // the call may end before the write is started
    }
    // Without the lock: the reactions to what is written need it, and may come at once.
    this->StartWrite(first);
    this->RemoveHold();
    return true;
  }

  // Puts the next message into `message` and returns true; false if none came within `timeout`; the
  // stream's status once it has ended (Unavailable if it ended well, because an answer was due;
  // Internal after a message that cannot be read).
  absl::StatusOr<bool> Receive(absl::Duration timeout, Response* message) {
    const bool bounded = timeout != absl::InfiniteDuration();
    const absl::Time until = bounded ? absl::Now() + timeout : absl::InfiniteFuture();
    MutexLock lock(mutex_);
    if (!arrived_ && !reading_ && !reads_ended_) Read();
    while (!arrived_ && !done_.has_value()) {
      if (!bounded) {
        changed_.Wait(mutex_);
        continue;
      }
      const absl::Duration left = until - absl::Now();
      if (left <= absl::ZeroDuration()) return false;
      changed_.WaitFor(mutex_, left);
    }
    if (arrived_) {
      arrived_ = false;
      message->Swap(&incoming_);
      return true;
    }
    if (done_->ok()) return absl::UnavailableError("the peer ended the stream");
    return *done_;
  }

  // Sends what is queued, ends this side and lets the peer end the other; cancels the call if that
  // takes longer than `linger`. Does not wait. Idempotent.
  void Close(absl::Duration linger) {
    MutexLock lock(mutex_);
    if (closing_) return;
    closing_ = true;
    arrived_ = false;
    if (reads_ended_) return;
    CancelAfter(linger);
    // The status comes only after the last message has been read.
    if (!reading_) Read();
    if (queue_.empty()) EndWrites();
    ReleaseHold();
  }

  // Waits until gRPC is done with the call. Bounded after Close or Cancel.
  void WaitDone() {
    MutexLock lock(mutex_);
    while (!done_.has_value()) changed_.Wait(mutex_);
  }

  void Cancel() { context_.TryCancel(); }

  // Reactions, called by gRPC.
  void OnReadDone(bool ok) override {
    MutexLock lock(mutex_);
    reading_ = false;
    if (!ok) {
      // Either the peer has ended the stream, and its status is on the way, or this message cannot
      // be read, and none is.
      if (!closing_) CancelAfter(kStatusWait);
      unreadable_ = !closing_;
      reads_ended_ = true;
      ReleaseHold();
    } else if (closing_) {
      Read();
    } else {
      arrived_ = true;
    }
    changed_.NotifyAll();
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(mutex_);
    spare_.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (!ok) {
      writes_ended_ = true;
      queue_.clear();
    } else if (!queue_.empty()) {
      this->StartWrite(queue_.front().get());
    } else if (closing_) {
      EndWrites();
    }
  }

  void OnDone(const grpc::Status& status) override {
    std::shared_ptr<StreamCall> self;
    MutexLock lock(mutex_);
    self = std::move(self_);
    const bool cancelled_here = unreadable_ && status.error_code() == grpc::StatusCode::CANCELLED;
    done_ = cancelled_here ? absl::InternalError("the peer sent a message that cannot be read")
                           : FromGrpcStatus(status);
    changed_.NotifyAll();
  }

 private:
  StreamCall() = default;

  void Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    reading_ = true;
    this->StartRead(&incoming_);
  }

  // At most once. Does not wait.
  void CancelAfter(absl::Duration wait) {
    alarm_.Set(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(wait),
               [weak = this->weak_from_this()](bool expired) {
                 const auto call = weak.lock();
                 if (expired && call != nullptr) call->Cancel();
               });
  }

  void EndWrites() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(writes_ended_, true)) return;
    this->StartWritesDone();
  }

  // No operation is started after this, except in reactions to one that runs.
  void ReleaseHold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(held_, false)) this->RemoveHold();
  }

  grpc::ClientContext context_;

  Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<StreamCall> self_ ABSL_GUARDED_BY(mutex_);  // until done
  std::deque<std::unique_ptr<Request>> queue_
      ABSL_GUARDED_BY(mutex_);  // the first is being written
  std::vector<std::unique_ptr<Request>> spare_ ABSL_GUARDED_BY(mutex_);
  Response incoming_ ABSL_GUARDED_BY(mutex_);     // gRPC's while reading_
  bool arrived_ ABSL_GUARDED_BY(mutex_) = false;  // incoming_ waits to be taken
  bool held_ ABSL_GUARDED_BY(mutex_) = true;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool reads_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool unreadable_ ABSL_GUARDED_BY(mutex_) = false;  // reads ended before Close; see OnReadDone
  bool writes_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> done_ ABSL_GUARDED_BY(mutex_);

  grpc::Alarm alarm_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_STREAM_CALL_H_
