// The calls that a server has open, and the answers that their clients have not read yet.
//  1. A call or an answer beyond a bound is refused with ResourceExhausted.
//  2. One connection cannot keep the others from being served: when all unread answers together
//     reach their bound, the connection that holds the most of them loses its calls.
//  3. Streams that need no key (reflection, health) are few and end after a while.
#ifndef RECYCLING_COMMON_RPC_OPEN_CALLS_H_
#define RECYCLING_COMMON_RPC_OPEN_CALLS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace recycling {

// Bounds of one server. All are at least 1.
struct CallLimits {
  int max_calls = 16384;  // of all connections together
  // Streams of gRPC's own services: reflection and health. They take no key and may be idle.
  int max_public_streams = 64;
  int max_public_streams_per_connection = 8;
  absl::Duration public_stream_timeout = absl::Minutes(10);
  // Bytes of answers that gRPC holds because the client has not read them.
  std::uint64_t max_unread_per_connection = std::uint64_t{32} << 20;
  std::uint64_t max_unread = std::uint64_t{256} << 20;
};

struct CallCounts {
  int calls = 0;
  int public_streams = 0;
  std::uint64_t unread = 0;  // bytes
  std::uint64_t ended = 0;   // calls refused or ended at a bound, since the start
};

// Knows no gRPC. Threads: any.
class OpenCalls {
 public:
  using Id = std::uint64_t;
  // Ends a call with an error. It is called on the thread of EndDue, without a lock, and perhaps
  // after the call has ended.
  using EndCall = std::function<void(const absl::Status& why)>;

  struct NewCall {
    std::string connection;  // equal for all calls of one connection
    bool public_stream = false;
    EndCall end;
  };

  // `wake` is called, without a lock, whenever EndDue has something to do at once. `clock` must
  // outlive this.
  OpenCalls(const CallLimits& limits, const Clock& clock, std::function<void()> wake);

  // A call begins. `call.end` will be called if it is refused here, or later at a bound or timeout.
  // The Id is valid also for a refused call; status() says which. Close it in any case.
  Id Open(NewCall call);

  // OK, or why the call was refused or ended: what it still answers must not be sent.
  absl::Status status(Id id) const;

  // An answer of `bytes` is about to wait for its client. ResourceExhausted if it must not: the
  // call then ends, and nothing is counted.
  absl::Status AddUnread(Id id, std::uint64_t bytes);

  // The answers that were added for this call have been read, or cannot be any more.
  void ClearUnread(Id id);

  // The call is over, with what it had unread.
  void Close(Id id);

  // Ends the calls that have to end. Returns how long nothing is due; infinite if nothing is.
  absl::Duration EndDue();

  CallCounts Counts() const;

 private:
  struct Call {
    NewCall call;
    bool counted = false;  // it was not refused
    std::uint64_t unread = 0;
    absl::Duration deadline = absl::InfiniteDuration();  // of Clock::Monotonic()
    absl::Status status;
  };
  struct Connection {
    int known_calls = 0;  // refused ones included
    int public_streams = 0;
    std::uint64_t unread = 0;
  };

  absl::Status WhyRefused(const Connection& connection, bool public_stream) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom(const std::string& connection, std::uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(Call& call, absl::Status why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndUnread(const std::string& connection, const absl::Status& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(const Call& call, int by) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Subtract(Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string Fullest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const CallLimits limits_;
  const Clock& clock_;
  const std::function<void()> wake_;

  mutable Mutex mutex_;
  Id last_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Id, Call> calls_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Connection> connections_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<EndCall, absl::Status>> due_ ABSL_GUARDED_BY(mutex_);
  CallCounts counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_OPEN_CALLS_H_
