// The response streams that are open: who has not read what was written, and ending them.
#ifndef RECYCLING_GATEWAY_GRPC_OPEN_STREAMS_H_
#define RECYCLING_GATEWAY_GRPC_OPEN_STREAMS_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/front/request_log.h"
#include "gateway/front/slow_readers.h"
#include "gateway/grpc/stream_writer.h"

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

  // What is dropped leaves a line in the log in the name of `request`.
  void Add(const std::shared_ptr<StreamWriter>& stream, RequestIdentity request = {});

  // Cancels those that are read too slowly. Returns how many are open.
  int Check();

  // Ends what still runs with `status`; see StreamWriter::Interrupt.
  void InterruptAll(const absl::Status& status);

  // Cancels what is not read to the end.
  void DropAll();

  StreamCounts Counts() const;

 private:
  struct Stream {
    std::weak_ptr<StreamWriter> writer;
    std::shared_ptr<const RequestIdentity> request;
  };
  struct OpenStream {
    std::shared_ptr<StreamWriter> writer;
    std::shared_ptr<const RequestIdentity> request;
  };

  std::vector<OpenStream> Open() const;
  bool Drop(const OpenStream& stream, const UnreadOutput& unread, std::string_view reason) const;

  const ReaderLimits limits_;
  const Clock& clock_;
  mutable Mutex mutex_;
  mutable std::vector<Stream> streams_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_OPEN_STREAMS_H_
