// The client side of a bidirectional gRPC stream, as a blocking object. Each call has its own
// completion queue, and the thread that waits for an answer polls it. So gRPC need not wake another
// thread.
//  1. At most one message is read ahead, and at most kMaxQueued messages wait to be written. The
//     message objects and their memory are reused.
//  2. The call makes progress only while a thread runs one of its methods. Send writes its message
//     at once, unless an earlier message is still being written because the peer has stopped
//     reading.
//  3. A message that cannot be parsed ends the call. gRPC alone would keep the call open, and the
//     caller would wait for an answer that never comes.
//  4. All time limits use the monotonic clock. So neither changes of the wall clock nor a peer that
//     never stops sending make a wait longer.
#ifndef RECYCLING_GATEWAY_GRPC_STREAM_CALL_H_
#define RECYCLING_GATEWAY_GRPC_STREAM_CALL_H_

#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/rpc/message_stream.h"
#include "common/rpc/status_grpc.h"

namespace recycling::gateway {

// At most kMaxQueued messages wait to be written. Receive returns Internal after a message that
// cannot be parsed. Close still sends the queued messages and then ends this side, so that the peer
// can end its side.
template <typename Request, typename Response>
class StreamCall final : public MessageStream<Request, Response> {
 public:
  static constexpr std::size_t kMaxQueued = 16;
  // The longest wait for the status after the last message.
  static constexpr absl::Duration kStatusWait = absl::Seconds(1);

  // Starts the call that `prepare(context, queue)` makes, for example
  // `stub->PrepareAsyncDecode(context, queue)`. gRPC sends the call to the peer with the first
  // message. At `deadline` the call ends with DeadlineExceeded. `clock` must outlive the call.
  template <typename Prepare>
  static std::unique_ptr<StreamCall> Start(absl::Time deadline, const Prepare& prepare,
                                           const Clock& clock = RealClock()) {
    std::unique_ptr<StreamCall> call(new StreamCall(clock));
    if (deadline != absl::InfiniteFuture()) {
      call->context_.set_deadline(absl::ToChronoTime(deadline));
    }
    call->context_.set_initial_metadata_corked(true);  // gRPC sends it with the first message
    call->stream_ = prepare(&call->context_, &call->events_);
    call->stream_->StartCall(nullptr);
    return call;
  }

  // If the call has not ended, cancels it and waits for its end.
  ~StreamCall() override {
    if (!done_.has_value()) {
      Cancel();
      closing_ = true;
      WaitDone();
    }
    events_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (events_.Next(&tag, &ok)) {
    }
  }

  StreamCall(const StreamCall&) = delete;
  StreamCall& operator=(const StreamCall&) = delete;

  bool Send(absl::FunctionRef<void(Request&)> fill) override {
    if (writing_ || reads_ended_) TakeEvents();
    if (writes_ended_ || reads_ended_ || closing_ || queue_.size() >= kMaxQueued) return false;
    fill(outgoing_);
    if (writing_) {
      queue_.push_back(std::move(outgoing_));
    } else {
      Write(outgoing_);
    }
    return true;
  }

  absl::StatusOr<bool> Receive(absl::Duration timeout, Response* message) override {
    const absl::Duration until = clock_.Monotonic() + timeout;
    if (!arrived_) Read();
    while (!arrived_ && !done_.has_value()) {
      if (!TakeEvent(until)) return false;
    }
    if (arrived_) {
      arrived_ = false;
      message->Swap(&incoming_);
      return true;
    }
    if (done_->ok()) return absl::UnavailableError("the peer ended the stream");
    return *done_;
  }

  void Close(absl::Duration linger) override {
    if (std::exchange(closing_, true)) return;
    arrived_ = false;
    TakeEvents();
    if (done_.has_value()) return;
    if (!reads_ended_) give_up_ = clock_.Monotonic() + linger;
    Read();  // the status comes only after the last message has been read
    if (!writing_) EndWrites();
  }

  // Waits until the call has ended. After Close or Cancel, the wait is bounded.
  void WaitDone() override {
    Read();
    while (!done_.has_value()) TakeEvent(absl::InfiniteDuration());
  }

  void Cancel() override { context_.TryCancel(); }

 private:
  enum Event : std::intptr_t { kRead = 1, kWrite, kWritesDone, kFinish };

  explicit StreamCall(const Clock& clock) : clock_(clock) {}

  static gpr_timespec DeadlineAfter(absl::Duration wait) {
    if (wait == absl::InfiniteDuration()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (wait <= absl::ZeroDuration()) return gpr_inf_past(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_nanos(absl::ToInt64Nanoseconds(wait), GPR_TIMESPAN));
  }

  static void* Tag(Event event) { return reinterpret_cast<void*>(event); }

  // Handles the next event and returns true. Returns false if none came before `until`
  // (Clock::Monotonic()).
  bool TakeEvent(absl::Duration until) {
    while (true) {
      const absl::Duration now = clock_.Monotonic();
      // Check this before the events, because a peer may send events without end.
      if (now >= give_up_) GiveUp();
      void* tag = nullptr;
      bool ok = false;
      const absl::Duration wait = std::min(until, give_up_) - now;
      if (events_.AsyncNext(&tag, &ok, DeadlineAfter(wait)) == grpc::CompletionQueue::GOT_EVENT) {
        Handle(static_cast<Event>(reinterpret_cast<std::intptr_t>(tag)), ok);
        return true;
      }
      if (clock_.Monotonic() >= until) return false;
    }
  }

  void GiveUp() {
    give_up_ = absl::InfiniteDuration();
    gave_up_ = true;
    Cancel();
  }

  // Handles events that have already happened, without waiting. Handles at most kMaxQueued + 1
  // events. This is enough to write all queued messages.
  void TakeEvents() {
    for (std::size_t i = 0; i <= kMaxQueued; ++i) {
      if (!TakeEvent(-absl::InfiniteDuration())) return;
    }
  }

  void Handle(Event event, bool ok) {
    switch (event) {
      case kRead:
        reading_ = false;
        if (!ok) return EndReads();
        if (closing_) return Read();
        arrived_ = true;
        return;
      case kWrite:
        writing_ = false;
        if (!ok) {
          writes_ended_ = true;
          queue_.clear();
        } else if (!queue_.empty()) {
          Write(queue_.front());
          queue_.pop_front();
        } else if (closing_) {
          EndWrites();
        }
        return;
      case kWritesDone:
        writing_ = false;
        return;
      case kFinish: {
        const bool unreadable =
            gave_up_ && !closing_ && status_.error_code() == grpc::StatusCode::CANCELLED;
        done_ = unreadable ? absl::InternalError("the peer sent a message that cannot be read")
                           : FromGrpcStatus(status_);
        return;
      }
    }
  }

  void Read() {
    if (reading_ || reads_ended_) return;
    reading_ = true;
    stream_->Read(&incoming_, Tag(kRead));
  }

  // There are two cases. Either the peer has ended the stream, and its status will come. Or a
  // message cannot be parsed, and no status will come.
  void EndReads() {
    reads_ended_ = true;
    if (!closing_) give_up_ = clock_.Monotonic() + kStatusWait;
    stream_->Finish(&status_, Tag(kFinish));
  }

  void Write(const Request& message) {
    writing_ = true;
    stream_->Write(message, Tag(kWrite));  // gRPC serializes the message in this call
  }

  void EndWrites() {
    if (std::exchange(writes_ended_, true)) return;
    writing_ = true;
    stream_->WritesDone(Tag(kWritesDone));
  }

  const Clock& clock_;
  grpc::ClientContext context_;
  grpc::CompletionQueue events_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<Request, Response>> stream_;

  Request outgoing_;
  std::deque<Request> queue_;  // messages that wait to be written, oldest first
  Response incoming_;          // gRPC writes to it while reading_
  bool writing_ = false;
  bool writes_ended_ = false;
  bool reading_ = false;
  bool arrived_ = false;  // incoming_ holds a message for Receive
  bool reads_ended_ = false;
  bool closing_ = false;
  // The time, by Clock::Monotonic(), at which TakeEvent cancels the call.
  absl::Duration give_up_ = absl::InfiniteDuration();
  bool gave_up_ = false;
  grpc::Status status_;  // gRPC writes to it after EndReads
  std::optional<absl::Status> done_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_STREAM_CALL_H_
