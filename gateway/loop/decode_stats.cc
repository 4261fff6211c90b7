#include "gateway/loop/decode_stats.h"

#include <algorithm>
#include <type_traits>

namespace recycling::gateway {

namespace {

// Adds `other` to `stats`, or takes it away.
template <typename Other>
void AddSources(const Other& other, bool take_away, SourceStats* stats) {
  const auto add = [take_away](auto value, auto* sum) {
    using Sum = std::remove_pointer_t<decltype(sum)>;
    *sum = take_away ? *sum - static_cast<Sum>(value) : *sum + static_cast<Sum>(value);
  };
  for (std::size_t s = 0; s < stats->size(); ++s) {
    SourceCounts& sum = (*stats)[s];
    add(other[s].proposed, &sum.proposed);
    add(other[s].accepted, &sum.accepted);
    add(other[s].proposed_alone, &sum.proposed_alone);
    add(other[s].accepted_alone, &sum.accepted_alone);
    add(other[s].expected, &sum.expected);
  }
}

}  // namespace

StepSources CountSources(const DraftTree& tree, std::size_t drafted,
                         std::span<const int> accepted) {
  StepSources stats;
  std::vector<bool> is_accepted(tree.tokens.size());
  is_accepted[0] = true;
  for (const int node : accepted) is_accepted[static_cast<std::size_t>(node)] = true;
  for (std::size_t node = 1; node < std::min(tree.sources.size(), drafted + 1); ++node) {
    const DraftSourceSet set = tree.sources[node];
    const bool below_accepted = is_accepted[static_cast<std::size_t>(tree.parents[node])];
    for (std::size_t s = 0; s < stats.size(); ++s) {
      const DraftSourceSet bit = SetOf(static_cast<DraftSource>(s));
      if ((set & bit) == 0) continue;
      auto& counts = stats[s];
      ++counts.proposed;
      if (set == bit) ++counts.proposed_alone;
      if (is_accepted[node]) ++counts.accepted;
      if (is_accepted[node] && set == bit) ++counts.accepted_alone;
      if (below_accepted && !tree.probabilities.empty()) {
        counts.expected += tree.probabilities[node];
      }
    }
  }
  return stats;
}

double SpeculationStats::MeanAcceptedTokens() const {
  return steps == 0 ? 0 : static_cast<double>(emitted_tokens) / static_cast<double>(steps);
}

double SpeculationStats::AcceptanceRate() const {
  return draft_tokens == 0
             ? 0
             : static_cast<double>(accepted_tokens) / static_cast<double>(draft_tokens);
}

void SpeculationStats::Add(const SpeculationStats& other) {
  steps += other.steps;
  emitted_tokens += other.emitted_tokens;
  drafted_steps += other.drafted_steps;
  draft_tokens += other.draft_tokens;
  accepted_tokens += other.accepted_tokens;
  if (accepted_per_depth.size() < other.accepted_per_depth.size()) {
    accepted_per_depth.resize(other.accepted_per_depth.size(), 0);
  }
  for (std::size_t d = 0; d < other.accepted_per_depth.size(); ++d) {
    accepted_per_depth[d] += other.accepted_per_depth[d];
  }
  for (std::size_t r = 0; r < fallbacks.size(); ++r) fallbacks[r] += other.fallbacks[r];
  paused_steps += other.paused_steps;
  AddSources(other.sources, /*take_away=*/false, &sources);
  moves += other.moves;
  retries += other.retries;
  moving += other.moving;
  if (other.row_cost.has_value()) row_cost = other.row_cost;
  if (other.plain_step.has_value()) plain_step = other.plain_step;
}

void SpeculationStats::TakeBack(const SpeculationStats& part) {
  steps -= part.steps;
  emitted_tokens -= part.emitted_tokens;
  drafted_steps -= part.drafted_steps;
  draft_tokens -= part.draft_tokens;
  accepted_tokens -= part.accepted_tokens;
  for (std::size_t d = 0; d < part.accepted_per_depth.size(); ++d) {
    accepted_per_depth[d] -= part.accepted_per_depth[d];
  }
  for (std::size_t r = 0; r < fallbacks.size(); ++r) fallbacks[r] -= part.fallbacks[r];
  paused_steps -= part.paused_steps;
  AddSources(part.sources, /*take_away=*/true, &sources);
}

SpeculationStats ShownSteps::Count(std::span<const StepRecord> steps, std::uint32_t shown) {
  const std::size_t begin = steps_;
  std::uint32_t tokens = 0;
  const auto left = static_cast<std::uint32_t>(shown - counted_.emitted_tokens);
  while (steps_ < steps.size() && tokens + steps[steps_].tokens <= left) {
    tokens += steps[steps_++].tokens;
  }
  const SpeculationStats now = Summarize(steps.subspan(begin, steps_ - begin), tokens);
  counted_.Add(now);
  return now;
}

SpeculationStats Summarize(std::span<const StepRecord> steps, std::uint32_t output_tokens) {
  SpeculationStats stats;
  stats.emitted_tokens = output_tokens;
  std::uint32_t left = output_tokens;
  for (const StepRecord& step : steps) {
    if (left == 0) break;
    const std::uint32_t tokens = std::min(step.tokens, left);
    const std::uint32_t accepted = std::min(step.accepted, tokens);
    left -= tokens;
    ++stats.steps;
    if (step.drafted > 0) ++stats.drafted_steps;
    stats.draft_tokens += step.drafted;
    stats.accepted_tokens += accepted;
    if (stats.accepted_per_depth.size() < accepted) stats.accepted_per_depth.resize(accepted, 0);
    for (std::uint32_t d = 0; d < accepted; ++d) ++stats.accepted_per_depth[d];
    if (step.paused) ++stats.paused_steps;
    AddSources(step.sources, /*take_away=*/false, &stats.sources);
    if (step.fallback.has_value()) ++stats.fallbacks[static_cast<std::size_t>(*step.fallback)];
  }
  return stats;
}

absl::Duration Timings::rest() const {
  return std::max(absl::ZeroDuration(), decode - draft - verify);
}

void StepTimes::BoundWhatPeersSay() {
  if (draft_inside.has_value()) draft_inside = std::min(*draft_inside, draft);
  verify_inside = std::min(verify_inside, verify);
  verify_forward = std::min(verify_forward, verify_inside);
}

absl::Duration StepTimes::wire() const {
  absl::Duration wire = verify - verify_inside;
  if (draft_inside.has_value()) wire += draft - *draft_inside;
  return wire;
}

void Timings::Add(const StepTimes& times) {
  decode += times.step;
  draft += times.draft;
  draft_inside += times.draft_inside.value_or(absl::ZeroDuration());
  verify += times.verify;
  verify_forward += times.verify_forward;
  verify_inside += times.verify_inside;
  wire += times.wire();
}

void Timings::AddAllButSteps(const Timings& request) {
  queue += request.queue;
  total += request.total;
  time_to_first_token += request.time_to_first_token;
  prefill += request.prefill;
}

void StepDurations::Add(const StepTimes& times) {
  if (verify.count() > 0) inter_token.Add(times.step + times.moved);
  (times.waited ? drafted_overhead : plain_overhead).Add(times.overhead());
  if (times.waited) draft.Add(times.draft);
  verify.Add(times.verify);
  wire.Add(times.wire());
  rest.Add(times.step - times.draft - times.verify);
}

void StepDurations::Add(const StepDurations& other) {
  drafted_overhead.Add(other.drafted_overhead);
  plain_overhead.Add(other.plain_overhead);
  draft.Add(other.draft);
  verify.Add(other.verify);
  wire.Add(other.wire);
  rest.Add(other.rest);
  inter_token.Add(other.inter_token);
}

}  // namespace recycling::gateway
