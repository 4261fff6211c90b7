// The client's side of a bidirectional stream of protobuf messages. One implementation speaks gRPC
// (gateway/grpc/stream_call.h). The others call a service in the same process directly.
#ifndef RECYCLING_COMMON_RPC_MESSAGE_STREAM_H_
#define RECYCLING_COMMON_RPC_MESSAGE_STREAM_H_

#include <functional>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/trace_context.h"

namespace recycling {

// A stream that its owner has closed. It ends within a bounded time.
class ClosingStream {
 public:
  virtual ~ClosingStream() = default;
  // Waits until the stream has ended. Cancels it if it has not ended within the time limit that was
  // set when it was closed.
  virtual void WaitDone() = 0;
};

// Threads: any thread may call Cancel at any time. The caller makes all other calls one at a time.
// The destructor cancels a stream that has not ended.
template <typename Request, typename Response>
class MessageStream : public ClosingStream {
 public:
  // Sends the message that `fill(message)` makes. The message may still hold the content of an
  // earlier message, so `fill` must clear or overwrite it. Returns false and sends nothing if the
  // stream has ended or is closed, or if too many messages wait to be sent; then Receive returns
  // the reason. Does not wait for the peer.
  virtual bool Send(absl::FunctionRef<void(Request&)> fill) = 0;

  // Waits for the next message, puts it into `message` and returns true. Returns false if no
  // message came within `timeout`. After the end of the stream, returns its status, but Unavailable
  // instead of OK, because an answer was due.
  virtual absl::StatusOr<bool> Receive(absl::Duration timeout, Response* message) = 0;

  // Begins to close the stream. If it has not ended after `linger`, WaitDone cancels it. Does not
  // wait. A second call does nothing.
  virtual void Close(absl::Duration linger) = 0;

  // The stream soon ends with Cancelled.
  virtual void Cancel() = 0;
};

// Opens a stream. Does not wait for the peer. At `deadline` the stream ends with DeadlineExceeded.
// The peer logs `origin`.
template <typename Request, typename Response>
using OpenMessageStream = std::function<std::unique_ptr<MessageStream<Request, Response>>(
    absl::Time deadline, const CallOrigin& origin)>;

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_MESSAGE_STREAM_H_
