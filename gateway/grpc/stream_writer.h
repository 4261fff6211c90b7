// The server's side of a response stream: messages are queued without waiting and written in order.
#ifndef RECYCLING_GATEWAY_GRPC_STREAM_WRITER_H_
#define RECYCLING_GATEWAY_GRPC_STREAM_WRITER_H_

#include <google/protobuf/message_lite.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/front/slow_readers.h"

namespace recycling::gateway {

// Lives until gRPC is done with the call and its owner has let it go. Threads: any.
class StreamWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // The service returns get() to gRPC and keeps the pointer as long as it has something to say.
  // `context` is the call's; `clock` must outlive the writer.
  static std::shared_ptr<StreamWriter> Create(grpc::CallbackServerContext* context,
                                              const Clock& clock);

  // Queues a message; lost if the call is cancelled. Not after End.
  void Write(const google::protobuf::MessageLite& message);

  // Ends the stream with `status`, or what Interrupt said, once everything queued is written. Once,
  // always. A retry delay goes with it as details and as gRPC's own pushback.
  void End(const absl::Status& status);

  // `cancel` is called when the client cancels, is lost or runs out of its deadline, and at
  // Interrupt; at once if that has happened. Replaces the one before; null: none.
  void OnCancelCall(std::function<void()> cancel);

  // The client has cancelled, is lost or has run out of its deadline.
  bool cancelled() const;

  // Has the stream end with `status` unless it has ended: whoever writes is asked to stop.
  void Interrupt(const absl::Status& status);
  // What Interrupt said; OK if nothing.
  absl::Status interrupted() const;

  // Cancels the call, with what is not written yet; the client sees Cancelled. False if that has
  // been done already, or everything is written.
  bool Drop();

  // What waits to be taken by the client.
  UnreadOutput Unread() const;

  // gRPC is done with the call.
  bool done() const;

  // Reactions, called by gRPC.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  StreamWriter(grpc::CallbackServerContext* context, const Clock& clock)
      : context_(context), clock_(clock) {}
  void Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;  // the call's, until Finish
  const Clock& clock_;

  mutable Mutex mutex_;
  std::shared_ptr<StreamWriter> self_ ABSL_GUARDED_BY(mutex_);  // until done
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;             // of the queue
  absl::Duration since_ ABSL_GUARDED_BY(mutex_);                // the write that runs began then
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  absl::Duration ended_at_ ABSL_GUARDED_BY(mutex_);
  absl::Status interrupted_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool dropping_ ABSL_GUARDED_BY(mutex_) = false;  // keeps Finish back, and so the context alive
  bool dropped_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> cancel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_STREAM_WRITER_H_
