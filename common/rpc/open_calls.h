// The open calls of a server, and the answers that their clients have not read yet.
//  1. A call or an answer above a bound is refused with ResourceExhausted.
//  2. One connection cannot block the others: when all unread answers together reach their bound,
//     the calls of the connection that holds the most of them are ended.
//  3. The number of streams that need no key (reflection, health) is bounded, and so is their time.
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
  // Streams of gRPC's own services: reflection and health. They need no key and may be idle.
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
  std::uint64_t ended = 0;   // calls that were refused, or ended at a bound, since the start
};

// Does not use gRPC. Threads: any.
class OpenCalls {
 public:
  using Id = std::uint64_t;
  // Ends a call with an error. EndDue calls it on its thread, without a lock, perhaps after the
  // call has ended.
  using EndCall = std::function<void(const absl::Status& why)>;

  struct NewCall {
    std::string connection;  // equal for all calls of one connection
    bool public_stream = false;
    EndCall end;
  };

  // Calls `wake`, without a lock, whenever EndDue has something to do at once. `clock` must outlive
  // this object.
  OpenCalls(const CallLimits& limits, const Clock& clock, std::function<void()> wake);

  // Adds a call that begins. If it is refused here, or later exceeds a bound or its time,
  // `call.end` is called. The Id is valid for a refused call too; status() tells whether it was
  // refused. Close it in any case.
  Id Open(NewCall call);

  // OK, or why the call was refused or ended. If not OK, its further answers must not be sent.
  absl::Status status(Id id) const;

  // Adds an answer of `bytes` that the client has not read yet. ResourceExhausted if a bound would
  // be exceeded: then the call ends and nothing is counted.
  absl::Status AddUnread(Id id, std::uint64_t bytes);

  // Removes the answers that were added for this call: they have been read, or the call cannot
  // deliver them any more.
  void ClearUnread(Id id);

  // Removes the call and its unread answers.
  void Close(Id id);

  // Ends the calls whose time is over or that exceeded a bound. Returns the time until the next
  // call is due, infinite if there is none.
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
