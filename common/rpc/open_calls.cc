#include "common/rpc/open_calls.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace recycling {

OpenCalls::OpenCalls(const CallLimits& limits, const Clock& clock, std::function<void()> wake)
    : limits_(limits), clock_(clock), wake_(std::move(wake)) {}

absl::Status OpenCalls::WhyRefused(const Connection& connection, bool public_stream) const {
  if (counts_.calls >= limits_.max_calls) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "calls: got one more than the ", limits_.max_calls, " that this server serves at a time"));
  }
  if (!public_stream) return absl::OkStatus();
  if (connection.public_streams >= limits_.max_public_streams_per_connection) {
    return absl::ResourceExhaustedError(
        absl::StrCat("streams of reflection and health: got one more than the ",
                     limits_.max_public_streams_per_connection, " that one connection may have"));
  }
  if (counts_.public_streams >= limits_.max_public_streams) {
    return absl::ResourceExhaustedError(
        absl::StrCat("streams of reflection and health: got one more than the ",
                     limits_.max_public_streams, " that this server serves at a time"));
  }
  return absl::OkStatus();
}

OpenCalls::Id OpenCalls::Open(NewCall new_call) {
  bool wake = false;
  Id id = 0;
  {
    MutexLock lock(mutex_);
    id = ++last_;
    Connection& connection = connections_[new_call.connection];
    const absl::Status why = WhyRefused(connection, new_call.public_stream);
    Call& call = calls_[id];
    call.call = std::move(new_call);
    call.counted = why.ok();
    if (call.call.public_stream) call.deadline = clock_.Monotonic() + limits_.public_stream_timeout;
    Count(call, +1);
    if (!why.ok()) End(call, why);
    wake = call.call.public_stream || !why.ok();
  }
  if (wake) wake_();
  return id;
}

absl::Status OpenCalls::status(Id id) const {
  MutexLock lock(mutex_);
  return calls_.at(id).status;
}

absl::Status OpenCalls::AddUnread(Id id, std::uint64_t bytes) {
  absl::Status result;
  bool wake = false;
  {
    MutexLock lock(mutex_);
    Call& call = calls_.at(id);
    if (!call.status.ok()) return call.status;
    const absl::Status why = MakeRoom(call.call.connection, bytes);
    if (why.ok()) {
      call.unread += bytes;
      connections_.at(call.call.connection).unread += bytes;
      counts_.unread += bytes;
    } else {
      End(call, why);
    }
    result = call.status;
    wake = !due_.empty();
  }
  if (wake) wake_();
  return result;
}

// OK if `connection` may hold `bytes` more. To make room, ends calls of other connections that hold
// more.
absl::Status OpenCalls::MakeRoom(const std::string& connection, std::uint64_t bytes) {
  const std::uint64_t own = connections_.at(connection).unread;
  if (own + bytes > limits_.max_unread_per_connection) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "answers: the client has left ", own, " bytes unread on this connection; with ", bytes,
        " more they would exceed the bound of ", limits_.max_unread_per_connection));
  }
  while (counts_.unread + bytes > limits_.max_unread) {
    const absl::Status why = absl::ResourceExhaustedError(absl::StrCat(
        "answers: clients have left ", counts_.unread, " bytes unread, expected at most ",
        limits_.max_unread, "; this connection holds the most"));
    const std::string fullest = Fullest();
    if (fullest == connection || connections_.at(fullest).unread == 0) return why;
    EndUnread(fullest, why);
  }
  return absl::OkStatus();
}

std::string OpenCalls::Fullest() const {
  return std::max_element(
             connections_.begin(), connections_.end(),
             [](const auto& a, const auto& b) { return a.second.unread < b.second.unread; })
      ->first;
}

void OpenCalls::ClearUnread(Id id) {
  MutexLock lock(mutex_);
  Subtract(calls_.at(id));
}

void OpenCalls::Close(Id id) {
  EndCall end;  // destroyed after the lock is released: gRPC may end other calls meanwhile
  MutexLock lock(mutex_);
  const auto found = calls_.find(id);
  end = std::move(found->second.call.end);
  Subtract(found->second);
  Count(found->second, -1);
  calls_.erase(found);
}

// Counts a call that begins (`by` is 1) or is over (-1). A refused call is not counted.
void OpenCalls::Count(const Call& call, int by) {
  const auto connection = connections_.find(call.call.connection);
  connection->second.known_calls += by;
  if (call.counted) counts_.calls += by;
  if (call.counted && call.call.public_stream) {
    connection->second.public_streams += by;
    counts_.public_streams += by;
  }
  if (connection->second.known_calls == 0) connections_.erase(connection);
}

absl::Duration OpenCalls::EndDue() {
  std::vector<std::pair<EndCall, absl::Status>> due;
  absl::Duration next = absl::InfiniteDuration();
  {
    MutexLock lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    if (counts_.public_streams > 0) {
      const absl::Status why = absl::DeadlineExceededError(
          absl::StrCat("streams of reflection and health: this one was open for ",
                       absl::FormatDuration(limits_.public_stream_timeout),
                       ", the most that a server allows; open another"));
      for (auto& [id, call] : calls_) {
        if (!call.status.ok()) continue;
        if (call.deadline <= now) {
          End(call, why);
        } else {
          next = std::min(next, call.deadline - now);
        }
      }
    }
    due.swap(due_);
  }
  for (const auto& [end, why] : due) end(why);
  return next;
}

CallCounts OpenCalls::Counts() const {
  MutexLock lock(mutex_);
  return counts_;
}

void OpenCalls::End(Call& call, absl::Status why) {
  Subtract(call);  // gRPC frees the call's answers when it ends, which is soon
  call.status = std::move(why);
  ++counts_.ended;
  due_.emplace_back(call.call.end, call.status);
}

void OpenCalls::EndUnread(const std::string& connection, const absl::Status& why) {
  for (auto& [id, call] : calls_) {
    if (call.call.connection == connection && call.unread > 0) End(call, why);
  }
}

void OpenCalls::Subtract(Call& call) {
  counts_.unread -= call.unread;
  connections_.at(call.call.connection).unread -= call.unread;
  call.unread = 0;
}

}  // namespace recycling
