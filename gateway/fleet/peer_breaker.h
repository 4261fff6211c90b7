#ifndef RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_
#define RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "absl/time/time.h"

namespace recycling::gateway {

struct BreakerOptions {
  int in_a_row = 3;                           // this many failures in a row open it; at least 1
  int window = 20;                            // outcomes that failure_rate counts; at least 1
  double failure_rate = 0.5;                  // share of a full window that opens it; (0, 1]
  absl::Duration first = absl::Seconds(5);    // time that it is open at first; then it doubles
  absl::Duration longest = absl::Minutes(5);  // longest time that it is open
};

// A circuit breaker: decides whether a peer that answers handshakes gets work. It decides by the
// outcomes of the peer's earlier work.
//
//   closed --in_a_row failures, or failure_rate of the window--> open
//      ^                                                          |  its time is over
//      |                                                          v
//      +------- success ------- half-open (one at a time) --------+
//                                  | failure: open, twice as long
//
// If it was closed for at least `longest`, it opens for `first` the next time. It reads no clock:
// `now` and `since` are Clock::Monotonic(). Threads: one.
class PeerBreaker {
 public:
  explicit PeerBreaker(BreakerOptions options = {}) : options_(options) {}

  // Whether the peer may get work now. When half-open, it is true only until Begin is called.
  bool admits(absl::Duration now) const;

  // The peer gets work. When half-open, this work is the probe: admits() is then false until the
  // probe ends, but at most for as long as the last ejection.
  void Begin(absl::Duration now);

  // Work succeeded.
  void Succeeded(absl::Duration now);

  // Work that began at `since` failed. Does not count if `since` is before the last failure that
  // counted: a peer that crashes with many sequences counts as one failure.
  void Failed(absl::Duration since, absl::Duration now);

  // Work ended in a way that says nothing about the peer. When half-open, the next work is the
  // probe.
  void Undecided() { probe_until_.reset(); }

  bool ejected() const { return open_until_.has_value(); }  // open or half-open
  std::uint64_t failures() const { return failures_; }      // that counted, since the start
  std::uint64_t ejections() const { return ejections_; }    // since the start

 private:
  void Note(bool failed);
  void Open(absl::Duration now);

  const BreakerOptions options_;
  std::deque<bool> outcomes_;  // true: failed; the newest last
  int in_a_row_ = 0;
  std::optional<absl::Duration> open_until_;   // absent: closed
  std::optional<absl::Duration> probe_until_;  // absent: no probe is under way
  absl::Duration time_;                        // how long it was open the last time
  absl::Duration closed_at_ = -absl::InfiniteDuration();
  absl::Duration failed_at_ = -absl::InfiniteDuration();
  std::uint64_t failures_ = 0;
  std::uint64_t ejections_ = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_
