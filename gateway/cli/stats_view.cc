#include "gateway/cli/stats_view.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "common/base/log.h"
#include "gateway/cli/bench_report.h"
#include "gateway/cli/statistics_text.h"

namespace recycling::cli {
namespace {

namespace pb = gateway::v1;

std::uint64_t Less(std::uint64_t after, std::uint64_t before) {
  return after > before ? after - before : 0;
}

pb::DurationHistogram Less(const pb::DurationHistogram& after,
                           const pb::DurationHistogram& before) {
  std::map<std::uint64_t, std::uint64_t> counts;
  for (const auto& bucket : before.buckets()) counts[bucket.from_micros()] = bucket.count();
  pb::DurationHistogram difference;
  for (const auto& bucket : after.buckets()) {
    const std::uint64_t count = Less(bucket.count(), counts[bucket.from_micros()]);
    if (count == 0) continue;
    *difference.add_buckets() = bucket;
    difference.mutable_buckets()->rbegin()->set_count(count);
  }
  difference.set_sum_micros(Less(after.sum_micros(), before.sum_micros()));
  return difference;
}

// The number of tokens that the steps gave, from their mean and number.
double Emitted(const pb::SpeculationStats& stats) {
  return std::round(stats.mean_accepted_tokens() * stats.steps());
}

pb::SpeculationStats Less(const pb::SpeculationStats& after, const pb::SpeculationStats& before) {
  pb::SpeculationStats difference;
  difference.set_steps(static_cast<std::uint32_t>(Less(after.steps(), before.steps())));
  difference.set_drafted_steps(
      static_cast<std::uint32_t>(Less(after.drafted_steps(), before.drafted_steps())));
  difference.set_draft_tokens(Less(after.draft_tokens(), before.draft_tokens()));
  difference.set_accepted_tokens(Less(after.accepted_tokens(), before.accepted_tokens()));
  difference.set_moves(Less(after.moves(), before.moves()));
  difference.set_paused_steps(Less(after.paused_steps(), before.paused_steps()));
  if (difference.steps() > 0) {
    difference.set_mean_accepted_tokens((Emitted(after) - Emitted(before)) / difference.steps());
  }
  if (difference.draft_tokens() > 0) {
    difference.set_acceptance_rate(static_cast<double>(difference.accepted_tokens()) /
                                   static_cast<double>(difference.draft_tokens()));
  }
  std::map<int, std::uint64_t> fallbacks;
  for (const auto& fallback : before.fallbacks()) fallbacks[fallback.reason()] = fallback.count();
  for (const auto& fallback : after.fallbacks()) {
    const std::uint64_t count = Less(fallback.count(), fallbacks[fallback.reason()]);
    if (count == 0) continue;
    *difference.add_fallbacks() = fallback;
    difference.mutable_fallbacks()->rbegin()->set_count(count);
  }
  return difference;
}

// "850 us", "21.4 ms", "3.2 s".
std::string Took(double micros) {
  if (micros < 1000) return absl::StrFormat("%.0f us", micros);
  if (micros < 1e6) return absl::StrFormat("%.1f ms", micros / 1e3);
  return absl::StrFormat("%.1f s", micros / 1e6);
}

std::string Quantile(const pb::DurationHistogram& durations, double q) {
  return CountOf(durations) == 0 ? "-" : Took(QuantileMicros(durations, q));
}

std::string Line(const char* name, const pb::DurationHistogram& durations, const char* of) {
  return absl::StrFormat("%-15sp50 %s, p99 %s of %d %s\n", name, Quantile(durations, 0.5),
                         Quantile(durations, 0.99), CountOf(durations), of);
}

std::string Head(const std::string& address) {
  return absl::StrCat("gateway        ", Escaped(address));
}

std::string DraftingLine(const pb::SpeculationStats& stats) {
  if (stats.steps() == 0) return "drafting       -\n";
  return absl::StrFormat(
      "drafting       MAT %.2f over %d steps; accepted %d of %d drafted tokens (%.1f%%); %d steps "
      "paused\n",
      stats.mean_accepted_tokens(), stats.steps(), stats.accepted_tokens(), stats.draft_tokens(),
      100 * stats.acceptance_rate(), stats.paused_steps());
}

std::string PeerLine(const pb::Peer& peer) {
  return absl::StrFormat(
      "%-15s%s: %s, %d running%s\n", peer.role() == pb::PEER_ROLE_VERIFIER ? "verifier" : "drafter",
      Escaped(peer.address()), peer.ready() ? "ready" : "not ready", peer.requests_running(),
      peer.detail().empty() ? "" : ": " + Escaped(peer.detail()));
}

}  // namespace

pb::GetStatsResponse StatsBetween(const pb::GetStatsResponse& before,
                                  const pb::GetStatsResponse& after) {
  if (after.uptime_micros() < before.uptime_micros()) return after;
  pb::GetStatsResponse between = after;
  between.set_uptime_micros(after.uptime_micros() - before.uptime_micros());
  between.set_requests_succeeded(Less(after.requests_succeeded(), before.requests_succeeded()));
  between.set_requests_failed(Less(after.requests_failed(), before.requests_failed()));
  between.set_prompt_tokens(Less(after.prompt_tokens(), before.prompt_tokens()));
  between.set_completion_tokens(Less(after.completion_tokens(), before.completion_tokens()));
  *between.mutable_speculation() = Less(after.speculation(), before.speculation());
  const pb::StepDurations& steps = after.steps();
  pb::StepDurations& step = *between.mutable_steps();
  *step.mutable_draft() = Less(steps.draft(), before.steps().draft());
  *step.mutable_verify() = Less(steps.verify(), before.steps().verify());
  *step.mutable_wire() = Less(steps.wire(), before.steps().wire());
  *step.mutable_rest() = Less(steps.rest(), before.steps().rest());
  *step.mutable_inter_token() = Less(steps.inter_token(), before.steps().inter_token());
  *between.mutable_requests()->mutable_time_to_first_token() =
      Less(after.requests().time_to_first_token(), before.requests().time_to_first_token());
  return between;
}

std::string StatsView(const std::string& address, const pb::GetStatsResponse& before,
                      const pb::GetStatsResponse& after) {
  const pb::GetStatsResponse now = StatsBetween(before, after);
  const double seconds = std::max(1e-6, static_cast<double>(now.uptime_micros()) / 1e6);
  const auto rate = [&](std::uint64_t count) { return static_cast<double>(count) / seconds; };
  std::string view = absl::StrFormat(
      "%s, up %s; the last %.1f s\n", Head(address),
      absl::FormatDuration(absl::Seconds(after.uptime_micros() / 1'000'000)), seconds);
  absl::StrAppendFormat(
      &view, "requests       %d running of %d, %d waiting; %.2f/s ended well, %.2f/s failed\n",
      now.requests_running(), now.requests_capacity(), now.requests_waiting(),
      rate(now.requests_succeeded()), rate(now.requests_failed()));
  absl::StrAppendFormat(&view, "tokens         %.1f/s written, %.1f/s in prompts\n",
                        rate(now.completion_tokens()), rate(now.prompt_tokens()));
  view += Line("first token", now.requests().time_to_first_token(), "requests");
  view += Line("between tokens", now.steps().inter_token(), "steps");
  view += DraftingLine(now.speculation());
  absl::StrAppendFormat(&view, "step, p50      draft %s, verify %s, wire %s, rest %s\n",
                        Quantile(now.steps().draft(), 0.5), Quantile(now.steps().verify(), 0.5),
                        Quantile(now.steps().wire(), 0.5), Quantile(now.steps().rest(), 0.5));
  absl::StrAppend(&view, "fallbacks      ", FallbacksText(now.speculation()), "\n");
  if (now.speculation().moves() > 0) {
    absl::StrAppendFormat(&view, "moved          %d times to another verifier\n",
                          now.speculation().moves());
  }
  for (const pb::Peer& peer : now.peers()) view += PeerLine(peer);
  return view;
}

std::string LostView(const std::string& address, const absl::Status& error) {
  return absl::StrCat(Head(address), " does not answer: ",
                      Escaped(error.ToString(absl::StatusToStringMode::kWithNoExtraData)), "\n");
}

std::string Redraw(const std::string& view) {
  // Starts in the upper left corner, and clears the end of each line and everything below.
  return absl::StrCat("\x1b[H", absl::StrReplaceAll(view, {{"\n", "\x1b[K\n"}}), "\x1b[J");
}

}  // namespace recycling::cli
