#ifndef RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_
#define RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_

#include "absl/time/time.h"

namespace recycling::gateway {

// Decides before each step whether asking for a draft pays, from what steps took and gave. One
// guard serves all requests of a kind, of which n run at once. It reads no clock; callers tell it
// the time.
//
//   asking --a window of steps has lost time--> paused --the pause is over--> probing
//      ^                                           ^                             |  |
//      |                                           +---- has lost time again ----+  |
//      +------------------------- has won time --------------------------------------+
//
//  1. A step that asked has won (its tokens x the duration of a plain step) - its own duration. If
//     that is negative, the step has lost as much. Where other sequences are given A tokens in the
//     meantime, they wait for the step too, and it has won
//     (tokens + A) / (1 + A) x the plain step - its own duration.
//  2. A window is kWindow x n steps that asked, a probe is kProbe steps that asked, of whichever
//     requests. A window or probe ends early if it has lost more than its allowance: kFirstLoss
//     plain steps in a window, kShare of the pause before it in a probe. A step that is told after
//     the end is not counted.
//  3. After a window or probe that lost time, no step asks until the loss is kShare of the time
//     passed since then. If the pause before followed a loss too, the new one is at least twice as
//     long. A pause is at most kLongest, unless the loss demands more. So losses take at most
//     kShare of the time, but for the steps that exceed an allowance: one of each request in a
//     window, kProbe in a probe. Each of n requests tells 1 / n of the time that passes.
//  4. A verdict holds for the load that it was made under: a pause ends when 1 + A has halved.
class DraftGuard {
 public:
  static constexpr int kWindow = 16;
  static constexpr int kProbe = 4;
  static constexpr double kFirstLoss = 4;
  static constexpr double kShare = 0.02;
  static constexpr absl::Duration kLongest = absl::Seconds(30);

  // The next step should ask.
  bool asks() const { return !paused() && (!probing_ || steps_ + pending_ < kProbe); }

  // In a pause no step asks. The pause ends when the steps in it have taken its length.
  bool paused() const { return pause_left_ > absl::ZeroDuration(); }

  // Whether the next step asks. If so, the caller tells what came of it by one call of Asked or
  // Unasked.
  bool Ask();

  // A step that asked gave `tokens` tokens and took `took`; a plain step would have taken `plain`.
  // Meanwhile other sequences were given `other_tokens` tokens. `running` is n.
  void Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens = 0,
             int running = 1);

  // A step that asked has nothing to tell.
  void Unasked();

  // A step that did not ask because of the guard took `took`.
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
