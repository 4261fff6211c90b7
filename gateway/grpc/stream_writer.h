// The server side of a response stream. It queues messages without waiting and writes them in
// order.
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

// Exists until gRPC has finished the call and no shared_ptr is left. Threads: any.
class StreamWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // Makes the writer of a call. The service returns get() to gRPC and keeps the shared_ptr as long
  // as it may write. `context` is the context of the call. `clock` must outlive the writer.
  static std::shared_ptr<StreamWriter> Create(grpc::CallbackServerContext* context,
                                              const Clock& clock);

  // Queues a message. Drops it if the call is cancelled. Do not call it after End.
  void Write(const google::protobuf::MessageLite& message);

  // Ends the stream with `status` after all queued messages are written. Call it exactly once. If
  // `status` has a retry delay, it is sent in the status details and as gRPC's retry pushback.
  void End(const absl::Status& status);

  // Sets the function that is called when the client cancels, is lost or has passed its deadline.
  // If this has already happened, calls `gone` at once. `gone` replaces the function of an earlier
  // call; null means no function.
  void OnGone(std::function<void()> gone);

  // Ends the call with `why` at once, drops the messages that are not written yet, and returns
  // true. Returns false and does nothing if Drop was called before, or if all messages and the
  // status are already written.
  bool Drop(const absl::Status& why);

  // Returns the messages that the client has not taken yet: their bytes, and since when they wait.
  UnreadOutput Unread() const;

  // True if gRPC has finished the call.
  bool done() const;

  // gRPC calls these.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  StreamWriter(grpc::CallbackServerContext* context, const Clock& clock)
      : context_(context), clock_(clock), connection_(context->peer()) {}
  void Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;  // valid until Finish
  const Clock& clock_;
  const std::string connection_;

  mutable Mutex mutex_;
  // Keeps this object until gRPC has finished the call.
  std::shared_ptr<StreamWriter> self_ ABSL_GUARDED_BY(mutex_);
  // Messages that are not written yet. While writing_ is true, gRPC writes the first one.
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // bytes of all messages in queue_
  absl::Duration since_ ABSL_GUARDED_BY(mutex_);     // when the running write began
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  absl::Duration ended_at_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool dropping_ ABSL_GUARDED_BY(mutex_) = false;  // delays Finish, so that context_ stays valid
  bool dropped_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> gone_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_STREAM_WRITER_H_
