#ifndef RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_
#define RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "absl/time/time.h"

namespace recycling::gateway {

struct BreakerOptions {
  int in_a_row = 3;           // so many failures without a success between open it; at least 1
  int window = 20;            // the failure rate is taken over so many outcomes; at least 1
  double failure_rate = 0.5;  // this share of failures in a full window opens it; above 0, to 1
  absl::Duration first = absl::Seconds(5);    // open the first time; doubles every time
  absl::Duration longest = absl::Minutes(5);  // at most this
};

// Decides whether a peer that answers handshakes also gets work, by how its work went (a circuit
// breaker).
//
//   closed --in_a_row failures, or failure_rate of the window--> open
//      ^                                                          |  its time is over
//      |                                                          v
//      +------- success ------- half-open (one at a time) --------+
//                                  | failure: open, twice as long
//
// Once it has been closed for `longest`, the next time it opens for `first` again. It reads no
// clock: `now` and `since` are Clock::Monotonic(). Threads: one.
class PeerBreaker {
 public:
  explicit PeerBreaker(BreakerOptions options = {}) : options_(options) {}

  // Whether the peer may get work now. When half-open: true only until Begin.
  bool admits(absl::Duration now) const;

  // The peer gets work. When half-open, this work is the probe: admits() is false until the probe
  // ends, or for as long as the peer was ejected last.
  void Begin(absl::Duration now);

  // Work ended well.
  void Succeeded(absl::Duration now);

  // Work that began at `since` failed. Does not count if `since` is before the last failure that
  // counted: a peer that dies with many sequences fails once.
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
  absl::Duration time_;                        // how long it was open last
  absl::Duration closed_at_ = -absl::InfiniteDuration();
  absl::Duration failed_at_ = -absl::InfiniteDuration();
  std::uint64_t failures_ = 0;
  std::uint64_t ejections_ = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_BREAKER_H_
