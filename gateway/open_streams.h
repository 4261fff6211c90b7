// The response streams that are open: who has not read what was written, and ending them.
#ifndef RECYCLING_GATEWAY_OPEN_STREAMS_H_
#define RECYCLING_GATEWAY_OPEN_STREAMS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "gateway/slow_readers.h"
#include "gateway/stream_writer.h"

namespace recycling::gateway {

struct StreamCounts {
  int open = 0;
  int unread = 0;             // have ended and are not read to the end
  std::uint64_t bytes = 0;    // that wait to be read, of all
  std::uint64_t dropped = 0;  // cancelled because they were read too slowly
};

// Threads: any.
class OpenStreams {
 public:
  // `clock` must outlive it.
  OpenStreams(ReaderLimits limits, const Clock& clock) : limits_(limits), clock_(clock) {}

  void Add(const std::shared_ptr<StreamWriter>& stream);

  // Cancels those that are read too slowly. Returns how many are open.
  int Check();

  // Ends what still runs with `status`; see StreamWriter::Interrupt.
  void InterruptAll(const absl::Status& status);

  // Cancels what is not read to the end.
  void DropAll();

  StreamCounts Counts() const;

 private:
  std::vector<std::shared_ptr<StreamWriter>> Open() const;

  const ReaderLimits limits_;
  const Clock& clock_;
  mutable Mutex mutex_;
  mutable std::vector<std::weak_ptr<StreamWriter>> streams_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_OPEN_STREAMS_H_
