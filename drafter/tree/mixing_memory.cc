#include "drafter/tree/mixing_memory.h"

#include <algorithm>
#include <cmath>

namespace recycling::drafter {

bool AreValid(const MixingNumbers& numbers) {
  return std::all_of(numbers.weights.begin(), numbers.weights.end(),
                     [](float weight) { return std::fabs(weight) <= kMostWeight; }) &&
         std::all_of(numbers.classes.begin(), numbers.classes.end(), [](const ClassCount& count) {
           return count.hits >= 0 && count.hits <= count.trials && count.trials < kMostTrials;
         });
}

void MixingMemory::Begin(const MixingNumbers& numbers) {
  const MutexLock lock(mutex_);
  if (numbers_.weights.size() == numbers.weights.size() &&
      numbers_.classes.size() == numbers.classes.size()) {
    return;
  }
  numbers_ = numbers;
}

void MixingMemory::Add(const MixingNumbers& changes, MixingNumbers* numbers) {
  const MutexLock lock(mutex_);
  for (std::size_t i = 0; i < numbers_.weights.size(); ++i) {
    numbers_.weights[i] =
        std::clamp(numbers_.weights[i] + changes.weights[i], -kMostWeight, kMostWeight);
  }
  for (std::size_t i = 0; i < numbers_.classes.size(); ++i) {
    ClassCount& count = numbers_.classes[i];
    count.trials += changes.classes[i].trials;
    count.hits += changes.classes[i].hits;
    while (count.trials >= kMostTrials) {
      count.trials /= 2;
      count.hits /= 2;
    }
  }
  *numbers = numbers_;
}

void MixingMemory::Read(MixingNumbers* numbers) const {
  const MutexLock lock(mutex_);
  *numbers = numbers_;
}

}  // namespace recycling::drafter
