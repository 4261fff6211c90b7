#ifndef RECYCLING_COMMON_RPC_IDLE_STREAMS_H_
#define RECYCLING_COMMON_RPC_IDLE_STREAMS_H_

#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace recycling {

// A stream that waits for its client from time to time.
class IdleStream {
 public:
  virtual ~IdleStream() = default;

  // Ends the stream with `why` if it has been its client's turn from `since` (Clock::Monotonic())
  // or earlier, without a message. Called on any thread, under no lock, perhaps after the stream
  // has ended. Must not block.
  virtual void EndIfIdle(absl::Duration since, const absl::Status& why) = 0;
};

// The open streams of a service; ends those whose clients are silent for too long while it is their
// turn. Threads: any.
class IdleStreams {
 public:
  // `timeout` of zero: streams may wait for ever. `clock` must outlive this.
  IdleStreams(absl::Duration timeout, const Clock& clock) : timeout_(timeout), clock_(clock) {}

  // Keeps nothing alive.
  void Add(const std::shared_ptr<IdleStream>& stream);
  void Remove(const IdleStream* stream);

  // Ends with DeadlineExceeded what has been idle for longer than the timeout. To be called every
  // now and then.
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
