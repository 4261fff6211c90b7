// Keeps the outputs that clients have not read to the end. Drops those that clients read too
// slowly, and all of them at the end of a drain.
#ifndef RECYCLING_GATEWAY_FRONT_OPEN_OUTPUTS_H_
#define RECYCLING_GATEWAY_FRONT_OPEN_OUTPUTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/front/output_sink.h"
#include "gateway/front/request_log.h"
#include "gateway/front/slow_readers.h"

namespace recycling::gateway {

struct OutputCounts {
  int open = 0;
  int unread = 0;             // outputs that have ended and are not read to the end
  std::uint64_t bytes = 0;    // unread bytes of all outputs
  std::uint64_t dropped = 0;  // outputs that were read too slowly, so their calls were cancelled
};

// Threads: any.
class OpenOutputs {
 public:
  // `clock` must outlive this.
  OpenOutputs(ReaderLimits limits, const Clock& clock) : limits_(limits), clock_(clock) {}

  // Keeps `sink` until it is done. If the output is dropped, this logs a line with the identity
  // `request`. `interrupt` ends a request that still runs; see InterruptAll.
  void Add(std::shared_ptr<OutputSink> sink, RequestIdentity request,
           std::function<void(const absl::Status& why)> interrupt);

  // Drops the outputs that are read too slowly. Returns how many outputs are open.
  int Check();

  // Calls each output's `interrupt` with `why`.
  void InterruptAll(const absl::Status& why);

  // Drops every output that its client has not read to the end.
  void DropAll();

  OutputCounts Counts() const;

 private:
  struct Output {
    std::shared_ptr<OutputSink> sink;
    std::shared_ptr<const RequestIdentity> request;
    std::function<void(const absl::Status& why)> interrupt;
  };

  // Returns the outputs that are not done, and forgets the others.
  std::vector<Output> Open() const;
  bool Drop(const Output& output, const UnreadOutput& unread, std::string_view reason,
            const absl::Status& why) const;

  const ReaderLimits limits_;
  const Clock& clock_;
  mutable Mutex mutex_;
  mutable std::vector<Output> outputs_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_OPEN_OUTPUTS_H_
