// What the sequences of one scope have learnt about their sources (mixing_estimator.h).
#ifndef RECYCLING_DRAFTER_TREE_MIXING_MEMORY_H_
#define RECYCLING_DRAFTER_TREE_MIXING_MEMORY_H_

#include <cstddef>
#include <vector>

#include "common/base/mutex.h"

namespace recycling::drafter {

struct ClassCount {
  float trials = 0;
  float hits = 0;

  bool operator==(const ClassCount&) const = default;
};

struct MixingNumbers {
  std::vector<float> weights;       // biases and weights, in the order that the estimator defines
  std::vector<ClassCount> classes;  // of all mixed sources

  bool operator==(const MixingNumbers&) const = default;
};

// Weights stay within [-kMostWeight, kMostWeight].
inline constexpr float kMostWeight = 64;
// Counts are halved when their trials reach this number.
inline constexpr float kMostTrials = 4096;

// True if a MixingMemory may hold these numbers: finite weights within the bounds, and counts with
// 0 <= hits <= trials < kMostTrials.
bool AreValid(const MixingNumbers& numbers);

// Takes about 2 KB for the sources of MakeSources. Threads: all methods may be called from any
// thread.
class MixingMemory {
 public:
  // Sets the numbers, unless they are set and have as many weights and classes.
  void Begin(const MixingNumbers& numbers);

  // Adds `changes` to the numbers, and then copies the numbers to `numbers`. Requires as many
  // weights and classes as those of Begin.
  void Add(const MixingNumbers& changes, MixingNumbers* numbers);

  void Read(MixingNumbers* numbers) const;

 private:
  mutable Mutex mutex_;
  MixingNumbers numbers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_MIXING_MEMORY_H_
