#include "common/rpc/idle_streams.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace recycling {

void IdleStreams::Add(const std::shared_ptr<IdleStream>& stream) {
  MutexLock lock(mutex_);
  streams_[stream.get()] = stream;
}

void IdleStreams::Remove(const IdleStream* stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
}

void IdleStreams::Sweep() {
  if (timeout_ == absl::ZeroDuration()) return;
  std::vector<std::shared_ptr<IdleStream>> streams;
  {
    MutexLock lock(mutex_);
    for (const auto& [key, stream] : streams_) {
      if (auto open = stream.lock(); open != nullptr) streams.push_back(std::move(open));
    }
  }
  const absl::Status why = absl::DeadlineExceededError(
      absl::StrCat("the client has sent nothing for ", absl::FormatDuration(timeout_),
                   " although it was the client's turn"));
  const absl::Duration since = Now() - timeout_;
  for (const auto& stream : streams) stream->EndIfIdle(since, why);
}

}  // namespace recycling
