#ifndef RECYCLING_GATEWAY_GRPC_STREAM_CLOSER_H_
#define RECYCLING_GATEWAY_GRPC_STREAM_CLOSER_H_

#include <deque>
#include <memory>
#include <thread>

#include "common/base/mutex.h"

namespace recycling::gateway {

// A stream that its owner has closed and that takes a bounded time to end.
class ClosingStream {
 public:
  virtual ~ClosingStream() = default;
  // Waits until it has ended, or cancels it when the time it was given at closing is over.
  virtual void WaitDone() = 0;
};

// Waits for closed streams to end, so that whoever closed them need not. One thread, started with
// the first stream, for all: the time a stream is given runs from its closing, so that a stream
// that takes all of its own delays the others' end but not beyond theirs. Threads: any.
class StreamCloser {
 public:
  StreamCloser() = default;
  // Waits for the streams it has.
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
