#ifndef RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_
#define RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_

#include "absl/time/time.h"

namespace recycling::gateway {

// Says step by step whether asking for a draft pays, from what steps took and gave; of all requests
// of a kind together, n of which run at once. Time is what it is told; it reads no clock.
//
//   asking --a window of steps has lost time--> paused --the pause is over--> probing
//      ^                                           ^                             |  |
//      |                                           +---- has lost time again ----+  |
//      +------------------------- has won time --------------------------------------+
//
//  1. A step that asked has won (tokens it gave x what a plain step takes) - what it took; if that
//     is negative it has lost as much. Where other sequences are given A tokens in the meantime,
//     all of them wait for it, and a token is worth what the plain step takes / (1 + A): it has won
//     (tokens + A) / (1 + A) x the plain step - what it took.
//  2. A window is kWindow x n steps that asked, a probe kProbe, whosever they are. It ends before
//  if
//     it has lost more than its allowance: kFirstLoss plain steps while asking, kShare of the pause
//     before in a probe. What comes back after the end is not counted.
//  3. After a window or probe that lost time, steps do not ask until the loss is kShare of the time
//     that has passed, and at least twice the pause before, if that was after a loss too; at most
//     kLongest unless the loss demands it. So losses take at most kShare of the time, but for the
//     steps that go beyond an allowance: one of each request in a window, kProbe in a probe. A step
//     tells 1 / n of the time that passes.
//  4. A verdict holds for the load it was made under: a pause ends when 1 + A has halved since.
class DraftGuard {
 public:
  static constexpr int kWindow = 16;
  static constexpr int kProbe = 4;
  static constexpr double kFirstLoss = 4;
  static constexpr double kShare = 0.02;
  static constexpr absl::Duration kLongest = absl::Seconds(30);

  // The next step should ask.
  bool asks() const { return !paused() && (!probing_ || steps_ + pending_ < kProbe); }

  // In a pause: no step asks, until steps have taken their time.
  bool paused() const { return pause_left_ > absl::ZeroDuration(); }

  // Whether the next step should ask; it then does. What came of it is told by Asked or Unasked,
  // once.
  bool Ask();

  // A step that asked gave `tokens` tokens and took `took`, where a plain step takes `plain`, while
  // others were given `other_tokens`; `running` is n.
  void Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens = 0,
             int running = 1);

  // A step that asked tells nothing.
  void Unasked();

  // A step that did not ask because of the guard.
  void Paused(absl::Duration took, double other_tokens = 0, int running = 1);

 private:
  void EndWindow(double other_tokens);

  bool probing_ = false;
  int pending_ = 0;       // steps that ask now
  int steps_ = 0;         // of this window
  absl::Duration won_;    // in this window; negative: lost
  absl::Duration pause_;  // the last one, zero once a window has won time
  absl::Duration pause_left_;
  double paused_at_ = 0;  // other tokens when the pause began
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_
