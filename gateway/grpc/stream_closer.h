#ifndef RECYCLING_GATEWAY_GRPC_STREAM_CLOSER_H_
#define RECYCLING_GATEWAY_GRPC_STREAM_CLOSER_H_

#include <deque>
#include <memory>
#include <thread>

#include "common/base/mutex.h"

namespace recycling::gateway {

// A stream that its owner has closed. It takes a bounded time to end.
class ClosingStream {
 public:
  virtual ~ClosingStream() = default;
  // Waits until the stream has ended; cancels it when the time that it was given at closing is
  // over.
  virtual void WaitDone() = 0;
};

// Waits for closed streams to end, so that their owners need not wait. One thread, which is started
// with the first stream, waits for one stream after the other. The time that a stream is given
// begins when it is closed, so a slow stream does not give the streams behind it more time.
// Threads: any.
class StreamCloser {
 public:
  StreamCloser() = default;
  // Waits for the streams that it was given.
  ~StreamCloser();

  StreamCloser(const StreamCloser&) = delete;
  StreamCloser& operator=(const StreamCloser&) = delete;

  // Does not wait.
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
