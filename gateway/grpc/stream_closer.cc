#include "gateway/grpc/stream_closer.h"

#include <utility>

namespace recycling::gateway {

StreamCloser::~StreamCloser() {
  std::thread thread;
  {
    MutexLock lock(mutex_);
    stop_ = true;
    thread = std::move(thread_);
    changed_.NotifyAll();
  }
  if (thread.joinable()) thread.join();
}

void StreamCloser::Take(std::unique_ptr<ClosingStream> stream) {
  MutexLock lock(mutex_);
  streams_.push_back(std::move(stream));
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  changed_.NotifyAll();
}

void StreamCloser::Run() {
  while (true) {
    std::unique_ptr<ClosingStream> stream;
    {
      MutexLock lock(mutex_);
      while (streams_.empty() && !stop_) changed_.Wait(mutex_);
      if (streams_.empty()) return;
      stream = std::move(streams_.front());
      streams_.pop_front();
    }
    stream->WaitDone();
  }
}

}  // namespace recycling::gateway
