#ifndef RECYCLING_GATEWAY_DRAFT_GUARD_H_
#define RECYCLING_GATEWAY_DRAFT_GUARD_H_

#include "absl/time/time.h"

namespace recycling::gateway {

// Says step by step whether asking for a draft pays, from what steps took and gave. Time is what it
// is told; it reads no clock.
//
//   asking --a window of steps has lost time--> paused --the pause is over--> probing
//      ^                                           ^                             |  |
//      |                                           +---- has lost time again ----+  |
//      +------------------------- has won time --------------------------------------+
//
//  1. A step that asked has won (tokens it gave x what a plain step takes) - what it took; if that
//     is negative it has lost as much.
//  2. A window is kWindow steps that asked, a probe kProbe. It ends before if it has lost more than
//     its allowance: kFirstLoss plain steps while asking, kShare of the pause before in a probe.
//  3. After a window or probe that lost time, steps do not ask until they have taken the loss /
//     kShare together, and at least twice the pause before, if that was after a loss too; at most
//     kLongest unless the loss demands it. So losses take at most kShare of the time, but for the
//     one step that goes beyond an allowance.
// Copyable, so that the next request of the same kind can begin where the last one ended.
class DraftGuard {
 public:
  static constexpr int kWindow = 16;
  static constexpr int kProbe = 4;
  static constexpr double kFirstLoss = 4;
  static constexpr double kShare = 0.02;
  static constexpr absl::Duration kLongest = absl::Seconds(30);

  // The next step should ask.
  bool asks() const { return pause_left_ <= absl::ZeroDuration(); }

  // A step that asked gave `tokens` tokens and took `took`, where a plain step takes `plain`.
  void Asked(int tokens, absl::Duration took, absl::Duration plain);

  // A step that did not ask because of the guard.
  void Paused(absl::Duration took) { pause_left_ -= took; }

 private:
  void EndWindow();

  bool probing_ = false;
  int steps_ = 0;         // of this window
  absl::Duration won_;    // in this window; negative: lost
  absl::Duration pause_;  // the last one, zero once a window has won time
  absl::Duration pause_left_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_DRAFT_GUARD_H_
