#include "gateway/front/open_outputs.h"

#include <utility>

namespace recycling::gateway {

void OpenOutputs::Add(std::shared_ptr<OutputSink> sink, RequestIdentity request,
                      std::function<void(const absl::Status& why)> interrupt) {
  auto identity = std::make_shared<const RequestIdentity>(std::move(request));
  MutexLock lock(mutex_);
  outputs_.push_back(
      {.sink = std::move(sink), .request = std::move(identity), .interrupt = std::move(interrupt)});
}

std::vector<OpenOutputs::Output> OpenOutputs::Open() const {
  std::vector<Output> done;  // destroyed after the lock is released
  MutexLock lock(mutex_);
  std::erase_if(outputs_, [&](Output& output) {
    if (!output.sink->done()) return false;
    done.push_back(std::move(output));
    return true;
  });
  return outputs_;
}

bool OpenOutputs::Drop(const Output& output, const UnreadOutput& unread, std::string_view reason,
                       const absl::Status& why) const {
  if (!output.sink->Drop(why)) return false;
  LogDroppedOutput(*output.request, unread, reason, clock_.Monotonic());
  return true;
}

int OpenOutputs::Check() {
  const auto outputs = Open();
  std::vector<UnreadOutput> unread;
  for (const Output& output : outputs) unread.push_back(output.sink->Unread());
  const auto slow = SlowReaders(unread, limits_, clock_.Monotonic());
  const absl::Status why = absl::ResourceExhaustedError(
      "the client did not read its output in time, or left too much of it unread");
  std::uint64_t dropped = 0;
  for (const std::size_t i : slow)
    dropped += Drop(outputs[i], unread[i], "slow_reader", why) ? 1 : 0;
  MutexLock lock(mutex_);
  dropped_ += dropped;
  return static_cast<int>(outputs.size());
}

void OpenOutputs::InterruptAll(const absl::Status& why) {
  for (const Output& output : Open()) output.interrupt(why);
}

void OpenOutputs::DropAll() {
  const absl::Status why = absl::UnavailableError(
      "the gateway is draining, and the client did not read its output in time");
  for (const Output& output : Open()) Drop(output, output.sink->Unread(), "draining", why);
}

OutputCounts OpenOutputs::Counts() const {
  OutputCounts counts;
  for (const Output& output : Open()) {
    const UnreadOutput unread = output.sink->Unread();
    ++counts.open;
    if (unread.ended && unread.bytes > 0) ++counts.unread;
    counts.bytes += unread.bytes;
  }
  MutexLock lock(mutex_);
  counts.dropped = dropped_;
  return counts;
}

}  // namespace recycling::gateway
