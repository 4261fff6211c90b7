// The server's side of a response stream: messages are queued without waiting and written in order.
#ifndef RECYCLING_GATEWAY_STREAM_WRITER_H_
#define RECYCLING_GATEWAY_STREAM_WRITER_H_

#include <google/protobuf/message_lite.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "common/mutex.h"

namespace recycling::gateway {

// Lives until gRPC is done with the call and its owner has let it go. Threads: any.
class StreamWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // The service returns get() to gRPC and keeps the pointer as long as it has something to say.
  static std::shared_ptr<StreamWriter> Create();

  // Queues a message; lost if the call is cancelled. Not after End.
  void Write(const google::protobuf::MessageLite& message);

  // Ends the stream with `status` once everything queued is written. Once, always.
  void End(const grpc::Status& status);

  // `cancel` is called when the client cancels, is lost or runs out of its deadline; at once if
  // that has happened. Replaces the one before; null: none.
  void OnCancelCall(std::function<void()> cancel);

  // Reactions, called by gRPC.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  StreamWriter() = default;
  void Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  std::shared_ptr<StreamWriter> self_ ABSL_GUARDED_BY(mutex_);  // until done
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> cancel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_STREAM_WRITER_H_
