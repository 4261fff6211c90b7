// The server's side of a response stream: queues messages without waiting and writes them in order.
#ifndef RECYCLING_GATEWAY_GRPC_STREAM_WRITER_H_
#define RECYCLING_GATEWAY_GRPC_STREAM_WRITER_H_

#include <google/protobuf/message_lite.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/front/slow_readers.h"

namespace recycling::gateway {

// Lives until gRPC is done with the call and no owner is left. Threads: any.
class StreamWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // The service returns get() to gRPC and keeps the pointer as long as it may write.
  // `context` is the call's; `clock` must outlive the writer.
  static std::shared_ptr<StreamWriter> Create(grpc::CallbackServerContext* context,
                                              const Clock& clock);

  // Queues a message. It is dropped if the call is cancelled. Not after End.
  void Write(const google::protobuf::MessageLite& message);

  // Ends the stream with `status` once every queued message is written. Exactly once. A retry delay
  // travels in the status details and as gRPC's own pushback.
  void End(const absl::Status& status);

  // `gone` is called when the client cancels, is lost or has passed its deadline; at once if that
  // has happened. It replaces the function given before; null: none.
  void OnGone(std::function<void()> gone);

  // Ends the call with `why` at once and drops what is not written yet. Returns false if that was
  // done before or everything is written.
  bool Drop(const absl::Status& why);

  // What the client has not taken yet.
  UnreadOutput Unread() const;

  // gRPC is done with the call.
  bool done() const;

  // Reactions, called by gRPC.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  StreamWriter(grpc::CallbackServerContext* context, const Clock& clock)
      : context_(context), clock_(clock), connection_(context->peer()) {}
  void Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;  // the call's, until Finish
  const Clock& clock_;
  const std::string connection_;

  mutable Mutex mutex_;
  std::shared_ptr<StreamWriter> self_ ABSL_GUARDED_BY(mutex_);  // until done
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;             // of the queue
  absl::Duration since_ ABSL_GUARDED_BY(mutex_);                // when the running write began
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  absl::Duration ended_at_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool dropping_ ABSL_GUARDED_BY(mutex_) = false;  // holds Finish back, so that the context lives
  bool dropped_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> gone_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_STREAM_WRITER_H_
