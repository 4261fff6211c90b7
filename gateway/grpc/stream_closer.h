#ifndef RECYCLING_GATEWAY_GRPC_STREAM_CLOSER_H_
#define RECYCLING_GATEWAY_GRPC_STREAM_CLOSER_H_

#include <deque>
#include <memory>
#include <thread>

#include "common/base/mutex.h"
#include "common/rpc/message_stream.h"

namespace recycling::gateway {

// Waits for closed streams to end, so that their owners need not wait. One thread waits for one
// stream after the other. The first call of Take creates this thread. The time limit of each stream
// begins when the stream is closed, so a slow stream does not extend the limits of the streams
// after it. Threads: any.
class StreamCloser {
 public:
  StreamCloser() = default;
  // Waits until all streams have ended.
  ~StreamCloser();

  StreamCloser(const StreamCloser&) = delete;
  StreamCloser& operator=(const StreamCloser&) = delete;

  // Takes over a closed stream. Does not wait.
  void Take(std::unique_ptr<ClosingStream> stream);

 private:
  void Run();

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::unique_ptr<ClosingStream>> streams_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_STREAM_CLOSER_H_
