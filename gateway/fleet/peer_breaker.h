#ifndef RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_
#define RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "absl/time/time.h"

namespace recycling::gateway {

struct BreakerOptions {
  int in_a_row = 3;           // failures without a success between that open it, at least 1
  int window = 20;            // outcomes that the rate is taken over, at least 1
  double failure_rate = 0.5;  // of a full window that opens it, above 0 to 1
  absl::Duration first = absl::Seconds(5);    // open the first time; doubles every time
  absl::Duration longest = absl::Minutes(5);  // at most this
};

// Whether a peer that answers handshakes may also be given work, by how its work went.
//
//   closed --in_a_row failures, or failure_rate of the window--> open
//      ^                                                          |  its time is over
//      |                                                          v
//      +------- success ------- half-open (one at a time) --------+
//                                  | failure: open, twice as long
//
// How long it was open last is forgotten once it has been closed for `longest`. Time is what it is
// told (Clock::Monotonic()); it reads no clock. Threads: one.
class PeerBreaker {
 public:
  explicit PeerBreaker(BreakerOptions options = {}) : options_(options) {}

  // Work may be given now. In half-open only until Begin.
  bool admits(absl::Duration now) const;

  // Work is given. In half-open this is the probe: no other is admitted before its outcome is
  // known, or as long as the peer was ejected.
  void Begin(absl::Duration now);

  void Succeeded(absl::Duration now);

  // Work that began at `since` failed. Failures of work that began before the last failure that
  // counted say nothing new and do not count: a peer that dies with many sequences fails once.
  void Failed(absl::Duration since, absl::Duration now);

  bool ejected() const { return open_until_.has_value(); }  // open or half-open
  std::uint64_t failures() const { return failures_; }      // that counted, since the start
  std::uint64_t ejections() const { return ejections_; }    // since the start

 private:
  void Note(bool failed);
  void Open(absl::Duration now);

  const BreakerOptions options_;
  std::deque<bool> outcomes_;  // true: failed; the newest last
  int in_a_row_ = 0;
  std::optional<absl::Duration> open_until_;
  std::optional<absl::Duration> probe_until_;
  absl::Duration time_;  // it was open last; zero: not lately
  absl::Duration closed_at_ = -absl::InfiniteDuration();
  absl::Duration failed_at_ = -absl::InfiniteDuration();
  std::uint64_t failures_ = 0;
  std::uint64_t ejections_ = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_
