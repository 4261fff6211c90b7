// How often a candidate turns out to be what the model chooses, given that its parent was accepted:
// counted over what happened, by the candidate's class and depth.
//
// A candidate's class is its evidence and its rank among the parent's candidates. A trial is one
// candidate at one node that the verifier's walk stood on; it is a hit if the model chose it there.
// With n trials and h hits of the class (any: at any depth, d: at this depth, s: in this sequence),
//
//   any(class)    = (h_any + 8 prior(class)) / (n_any + 8)        over all sequences of the matrix
//   at(d, class)  = (h_d + 30 any(class))    / (n_d + 30)         over all sequences of the matrix
//   p(d, class)   = (h_s + 30 at(d, class))  / (n_s + 30)         this sequence
//
// so that each falls back to the coarser one while it has seen little, and what was never tried has
// its prior, never 0. Counts over all sequences are halved when their trials reach 4096: what
// happened long ago fades.
#ifndef RECYCLING_DRAFTER_MATRIX_ACCEPTANCE_H_
#define RECYCLING_DRAFTER_MATRIX_ACCEPTANCE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/base/mutex.h"

namespace recycling::drafter {

// What speaks for a candidate of a token, from the sequence's own past.
enum class Evidence : std::uint8_t {
  kUnseen,         // the token has not been followed by anything yet
  kOtherOnce,      // something else followed the token the last time
  kOtherOften,     // something else did at least the last two times, the same each time
  kFollowedOnce,   // it followed the token the last time
  kFollowedTwice,  // the last two times
  kFollowedOften,  // at least the last three times
  kCold,           // the token's row is cold: it is a candidate of another token
};

inline constexpr std::size_t kEvidences = 7;
inline constexpr std::size_t kRankBuckets = 11;  // 0 to 7, to 15, to 31, to 63 and one more
inline constexpr std::size_t kClasses = kEvidences * kRankBuckets;
inline constexpr std::size_t kDepthBuckets = 4;  // 1, 2, 3, deeper

// [0, kClasses). Of candidates that followed before only rank 0 is told from the others.
std::uint8_t ClassOf(Evidence evidence, std::uint32_t rank);
// Of a class that was never tried; in (0, 1), falling with the rank.
double PriorOf(std::uint8_t candidate_class);
// [0, kDepthBuckets). depth >= 1.
std::size_t DepthBucket(int depth);

struct Trial {
  std::uint8_t depth_bucket = 0;
  std::uint8_t candidate_class = 0;
  bool hit = false;
};

struct AcceptanceCount {
  float trials = 0;
  float hits = 0;
};
using ClassCounts = std::array<AcceptanceCount, kClasses>;

// The counts over all sequences of a matrix. Threads: all methods may be called from any thread.
class SharedAcceptance {
 public:
  struct Counts {
    ClassCounts any_depth = {};
    std::array<ClassCounts, kDepthBuckets> by_depth = {};
  };

  void Add(std::span<const Trial> trials);
  Counts Read() const;

 private:
  mutable Mutex mutex_;
  Counts counts_ ABSL_GUARDED_BY(mutex_);
};

// The estimates for one tree: p(d, class) of every depth bucket and class, each in (0, 1).
using AcceptanceTable = std::array<std::array<double, kClasses>, kDepthBuckets>;

// By the formula above.
AcceptanceTable Estimate(const SharedAcceptance::Counts& shared, const ClassCounts& sequence);

// Adds a trial to a count that never fades.
void AddTrial(bool hit, AcceptanceCount* count);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_MATRIX_ACCEPTANCE_H_
