#ifndef RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_
#define RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_

#include "absl/time/time.h"

namespace recycling::gateway {

// Decides before each step whether the step asks for a draft. It compares the durations and tokens
// of earlier steps. One guard serves all requests of a kind; n of them run at once. It reads no
// clock; callers pass in durations.
//
//   asking --the balance is below -kStake--> paused --the pause is over--> probing
//      ^                                       ^                             |  |
//      |                                       +---- the probe has lost -----+  |
//      +---------------------- the balance reaches kStake ----------------------+
//
//  1. A step that asked has the gain (its tokens x the duration of a plain step) - its own
//     duration. A negative gain is a loss. If other sequences get A tokens during the step, the
//     gain is (tokens + A) / (1 + A) x the duration of a plain step - its own duration.
//  2. The balance is the sum of the gains of all steps that asked, of any request of the kind. It
//     begins with zero and is at most kCredit plain steps. So while drafting saves time, a series
//     of unlucky steps rarely causes a pause, and text whose drafts fail stops drafting soon.
//  3. A pause begins when the balance falls below -kStake plain steps. It lasts loss / kShare, and
//     no step asks during it. A step that is reported during a pause does not count.
//  4. A probe follows. The balance begins with zero again, and at most kProbe steps that asked run
//     at once. The probe has lost when its loss exceeds kStake plain steps or kShare of the pause
//     before it. Then the next pause begins. It is at least twice as long as the pause before the
//     probe; this doubling stops at kLongest. So losses take at most kShare of the time, except for
//     the first kStake plain steps, for gains that are lost again, for pauses that end early, and
//     for steps that already run when a pause begins. The n requests report their steps of a pause
//     separately. So each of these counts as 1 / n of its duration.
//  5. A pause ends early if 1 + A falls below half of its value at the start of the pause, because
//     drafting may save time again at the lower load.
class DraftGuard {
 public:
  static constexpr double kStake = 4;
  static constexpr double kCredit = 12;
  static constexpr int kProbe = 4;
  static constexpr double kShare = 0.02;
  static constexpr absl::Duration kLongest = absl::Seconds(30);

  // True if the next step should ask for a draft.
  bool asks() const { return !paused() && (!probing_ || pending_ < kProbe); }

  // True during a pause. It ends when its steps, each counted as 1 / n of its duration, add up to
  // the length of the pause.
  bool paused() const { return pause_left_ > absl::ZeroDuration(); }

  // Returns whether the next step asks for a draft. If true, the caller must report the step by one
  // call of Asked or Unasked.
  bool Ask();

  // Reports a step that asked. It gave `tokens` tokens and took `took`. A plain step would have
  // taken `plain`. If this is not known, `plain` is zero or less, and the step does not count.
  // Other sequences got `other_tokens` tokens during the step.
  void Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens = 0);

  // Reports that a step that asked does not count.
  void Unasked();

  // Reports a step that did not ask because of a pause. It took `took`. `running` is n.
  void Paused(absl::Duration took, double other_tokens = 0, int running = 1);

 private:
  bool probing_ = false;
  int pending_ = 0;         // steps that asked and are not reported yet
  absl::Duration balance_;  // negative: a loss
  absl::Duration pause_;    // length of the last pause; zero after a probe that has saved time
  absl::Duration pause_left_;
  double paused_at_ = 0;  // other_tokens at the start of the pause
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFT_GUARD_H_
