#include "gateway/open_streams.h"

namespace recycling::gateway {

void OpenStreams::Add(const std::shared_ptr<StreamWriter>& stream) {
  MutexLock lock(mutex_);
  streams_.push_back(stream);
}

// Forgets those that are done.
std::vector<std::shared_ptr<StreamWriter>> OpenStreams::Open() const {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<StreamWriter>> open;
  std::erase_if(streams_, [&](const std::weak_ptr<StreamWriter>& weak) {
    auto stream = weak.lock();
    if (stream == nullptr || stream->done()) return true;
    open.push_back(std::move(stream));
    return false;
  });
  return open;
}

int OpenStreams::Check() {
  const auto streams = Open();
  std::vector<UnreadOutput> outputs;
  for (const auto& stream : streams) outputs.push_back(stream->Unread());
  const auto slow = SlowReaders(outputs, limits_, clock_.Monotonic());
  std::uint64_t dropped = 0;
  for (const std::size_t i : slow) dropped += streams[i]->Drop() ? 1 : 0;
  MutexLock lock(mutex_);
  dropped_ += dropped;
  return static_cast<int>(streams.size());
}

void OpenStreams::InterruptAll(const absl::Status& status) {
  for (const auto& stream : Open()) stream->Interrupt(status);
}

void OpenStreams::DropAll() {
  for (const auto& stream : Open()) stream->Drop();
}

StreamCounts OpenStreams::Counts() const {
  StreamCounts counts;
  for (const auto& stream : Open()) {
    const UnreadOutput output = stream->Unread();
    ++counts.open;
    if (output.ended && output.bytes > 0) ++counts.unread;
    counts.bytes += output.bytes;
  }
  MutexLock lock(mutex_);
  counts.dropped = dropped_;
  return counts;
}

}  // namespace recycling::gateway
