#include "verifier/schedule/pass_gather.h"

#include <algorithm>

namespace recycling::verifier {
namespace {

// The time until a sequence's next step varies around its mean. A pass waits for kMargin times the
// mean, so that it includes most steps that are a little late. A step that is later than kOverdue
// times the mean is not expected any more.
constexpr double kMargin = 1.25;
constexpr double kOverdue = 2;

}  // namespace

void PassGather::Mean::Add(absl::Duration took) {
  constexpr int kCounted = 8;
  took = std::max(took, absl::ZeroDuration());
  if (count > 0) took = std::min(took, 4 * std::max(value, absl::Microseconds(1)));
  count = std::min(count + 1, kCounted);
  value += (took - value) / count;
}

void PassGather::Answered(Id id, absl::Duration now) {
  Sequence& sequence = sequences_[id];
  sequence.away = true;
  sequence.answered = now;
}

void PassGather::Arrived(Id id, absl::Duration now) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end() || !found->second.away) return;
  found->second.away = false;
  found->second.mean.Add(now - found->second.answered);
  mean_.Add(now - found->second.answered);
}

absl::Duration PassGather::Usual(const Sequence& sequence) const {
  return sequence.mean.count > 0 ? sequence.mean.value : mean_.value;
}

int PassGather::Expected(absl::Duration now) const {
  return static_cast<int>(std::count_if(sequences_.begin(), sequences_.end(), [&](const auto& s) {
    return s.second.away && now <= s.second.answered + kOverdue * Usual(s.second);
  }));
}

absl::Duration PassGather::StartAt(absl::Duration ready, absl::Duration now,
                                   absl::Duration plain) const {
  const absl::Duration latest = ready + kShare * plain;
  absl::Duration start = ready;
  for (const auto& [id, sequence] : sequences_) {
    if (!sequence.away) continue;
    const absl::Duration due = sequence.answered + kMargin * Usual(sequence);
    if (due >= now && due <= latest) start = std::max(start, due);
  }
  return start;
}

}  // namespace recycling::verifier
