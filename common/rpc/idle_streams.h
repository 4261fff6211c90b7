#ifndef RECYCLING_COMMON_RPC_IDLE_STREAMS_H_
#define RECYCLING_COMMON_RPC_IDLE_STREAMS_H_

#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace recycling {

// A stream that waits for messages of its client.
class IdleStream {
 public:
  virtual ~IdleStream() = default;

  // Ends the stream with `why` if it has waited for a message of its client since `since`
  // (Clock::Monotonic()) or longer. May be called on any thread, without a lock, and after the
  // stream has ended. Must not block.
  virtual void EndIfIdle(absl::Duration since, const absl::Status& why) = 0;
};

// The open streams of a service. Ends each stream that has waited too long for the next message of
// its client. Threads: any.
class IdleStreams {
 public:
  // A `timeout` of zero: streams may wait without a limit. `clock` must outlive this object.
  IdleStreams(absl::Duration timeout, const Clock& clock) : timeout_(timeout), clock_(clock) {}

  // Does not own the stream.
  void Add(const std::shared_ptr<IdleStream>& stream);
  void Remove(const IdleStream* stream);

  // Ends the streams that have waited for longer than the timeout, with DeadlineExceeded. Call it
  // regularly.
  void Sweep();

  absl::Duration Now() const { return clock_.Monotonic(); }

 private:
  const absl::Duration timeout_;
  const Clock& clock_;
  Mutex mutex_;
  std::map<const IdleStream*, std::weak_ptr<IdleStream>> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_IDLE_STREAMS_H_
