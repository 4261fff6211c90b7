#ifndef RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_
#define RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_

#include "absl/time/time.h"

namespace recycling::gateway {

// Decides before each step whether the step asks for a draft. It compares the durations and tokens
// of earlier steps. One guard serves all requests of a kind; n of them run at once. It reads no
// clock; callers pass in durations.
//
//   asking --a window has a loss--> paused --the pause is over--> probing
//      ^                              ^                             |  |
//      |                              +--- the probe has a loss ----+  |
//      +------------------ the probe has no loss ----------------------+
//
//  1. A step that asked has the gain (its tokens x the duration of a plain step) - its own
//     duration. A negative gain is a loss. If other sequences get A tokens during the step, the
//     gain is (tokens + A) / (1 + A) x the duration of a plain step - its own duration.
//  2. A window is kWindow x n steps that asked. A probe is kProbe steps that asked. The steps may
//     belong to any requests of the kind. A window ends early if its loss exceeds the duration of
//     kFirstLoss plain steps. A probe ends early if its loss exceeds kShare of the pause before it.
//     A step that is reported after the end does not count. A window begins with the gain of the
//     window or probe before it, if that was positive, but at most kCredit plain steps. So one
//     unlucky window does not cause a pause while drafting saves time.
//  3. A window or probe with a loss causes a pause. The pause lasts loss / kShare, and no step asks
//     during it. If a probe caused the pause, it is also at least twice as long as the pause before
//     that probe. This doubling stops at kLongest. So losses take at most kShare of the time,
//     except for steps that already run when a window or probe ends: one step of each request in a
//     window, kProbe steps in a probe. The n requests report their steps of a pause separately. So
//     each step counts as 1 / n of its duration.
//  4. A pause ends early if 1 + A falls below half of its value at the start of the pause, because
//     drafting may save time again at the lower load.
class DraftGuard {
 public:
  static constexpr int kWindow = 16;
  static constexpr int kProbe = 4;
  static constexpr double kFirstLoss = 4;
  static constexpr double kCredit = 4;
  static constexpr double kShare = 0.02;
  static constexpr absl::Duration kLongest = absl::Seconds(30);

  // True if the next step should ask for a draft.
  bool asks() const { return !paused() && (!probing_ || steps_ + pending_ < kProbe); }

  // True during a pause. It ends when its steps, each counted as 1 / n of its duration, add up to
  // the length of the pause.
  bool paused() const { return pause_left_ > absl::ZeroDuration(); }

  // Returns whether the next step asks for a draft. If true, the caller must report the step by one
  // call of Asked or Unasked.
  bool Ask();

  // Reports a step that asked. It gave `tokens` tokens and took `took`. A plain step would have
  // taken `plain`. If this is not known, `plain` is zero or less, and the step does not count.
  // Other sequences got `other_tokens` tokens during the step. `running` is n.
  void Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens = 0,
             int running = 1);

  // Reports that a step that asked does not count.
  void Unasked();

  // Reports a step that did not ask because of a pause. It took `took`.
  void Paused(absl::Duration took, double other_tokens = 0, int running = 1);

 private:
  void EndWindow(absl::Duration plain, double other_tokens);

  bool probing_ = false;
  int pending_ = 0;       // steps that asked and are not reported yet
  int steps_ = 0;         // reported steps of this window or probe
  absl::Duration won_;    // gain of this window or probe; negative: loss
  absl::Duration pause_;  // length of the last pause; zero after a window or probe without a loss
  absl::Duration pause_left_;
  double paused_at_ = 0;  // other_tokens at the start of the pause
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_
