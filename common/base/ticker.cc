#include "common/base/ticker.h"

#include <utility>

namespace recycling {

Ticker::Ticker(std::function<absl::Duration()> tick)
    : tick_(std::move(tick)), thread_([this] { Run(); }) {}

Ticker::~Ticker() { Stop(); }

void Ticker::Stop() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Ticker::Nudge() {
  MutexLock lock(mutex_);
  nudged_ = true;
  wake_.NotifyAll();
}

void Ticker::Run() {
  while (true) {
    const absl::Duration wait = tick_();
    MutexLock lock(mutex_);
    if (!stop_ && !nudged_ && wait > absl::ZeroDuration()) wake_.WaitFor(mutex_, wait);
    nudged_ = false;
    if (stop_) return;
  }
}

}  // namespace recycling
