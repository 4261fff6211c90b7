#include "gateway/fleet/answer_bound.h"

#include <algorithm>

namespace recycling::gateway {

void AnswerBound::SetFullPass(std::uint32_t rows, absl::Duration takes) {
  if (rows == 0) return;
  full_pass_ = std::min(takes, kMostLearnt);
  row_ = full_pass_ / rows;
}

absl::Duration AnswerBound::OfRows(std::uint64_t rows) const {
  return kSlack * static_cast<double>(rows) * row_;
}

void AnswerBound::Answered(std::uint64_t own, std::uint64_t others, absl::Duration waited) {
  longest_excess_ = std::max(longest_excess_, waited - OfRows(own + others));
}

absl::Duration AnswerBound::Get(std::uint64_t own, std::uint64_t others) const {
  return std::max({kLeast, kTimes * full_pass_,
                   kTimesLongest * std::min(longest_excess_, kMostLearnt)}) +
         OfRows(own + others);
}

}  // namespace recycling::gateway
