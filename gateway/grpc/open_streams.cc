#include "gateway/grpc/open_streams.h"

#include <utility>

namespace recycling::gateway {

void OpenStreams::Add(const std::shared_ptr<StreamWriter>& stream, RequestIdentity request) {
  auto identity = std::make_shared<const RequestIdentity>(std::move(request));
  MutexLock lock(mutex_);
  streams_.push_back({.writer = stream, .request = std::move(identity)});
}

// Forgets those that are done.
std::vector<OpenStreams::OpenStream> OpenStreams::Open() const {
  MutexLock lock(mutex_);
  std::vector<OpenStream> open;
  std::erase_if(streams_, [&](const Stream& stream) {
    auto writer = stream.writer.lock();
    if (writer == nullptr || writer->done()) return true;
    open.push_back({.writer = std::move(writer), .request = stream.request});
    return false;
  });
  return open;
}

bool OpenStreams::Drop(const OpenStream& stream, const UnreadOutput& unread,
                       std::string_view reason) const {
  if (!stream.writer->Drop()) return false;
  LogDroppedOutput(*stream.request, unread, reason, clock_.Monotonic());
  return true;
}

int OpenStreams::Check() {
  const auto streams = Open();
  std::vector<UnreadOutput> outputs;
  for (const OpenStream& stream : streams) outputs.push_back(stream.writer->Unread());
  const auto slow = SlowReaders(outputs, limits_, clock_.Monotonic());
  std::uint64_t dropped = 0;
  for (const std::size_t i : slow) dropped += Drop(streams[i], outputs[i], "slow_reader") ? 1 : 0;
  MutexLock lock(mutex_);
  dropped_ += dropped;
  return static_cast<int>(streams.size());
}

void OpenStreams::InterruptAll(const absl::Status& status) {
  for (const OpenStream& stream : Open()) stream.writer->Interrupt(status);
}

void OpenStreams::DropAll() {
  for (const OpenStream& stream : Open()) Drop(stream, stream.writer->Unread(), "draining");
}

StreamCounts OpenStreams::Counts() const {
  StreamCounts counts;
  for (const OpenStream& stream : Open()) {
    const UnreadOutput output = stream.writer->Unread();
    ++counts.open;
    if (output.ended && output.bytes > 0) ++counts.unread;
    counts.bytes += output.bytes;
  }
  MutexLock lock(mutex_);
  counts.dropped = dropped_;
  return counts;
}

}  // namespace recycling::gateway
