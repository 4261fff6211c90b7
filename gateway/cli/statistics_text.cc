#include "gateway/cli/statistics_text.h"

#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "gateway/cli/bench_report.h"
#include "gateway/cli/draft_view.h"

namespace recycling::cli {
namespace {

double Seconds(std::uint64_t micros) { return static_cast<double>(micros) / 1e6; }

// " (a row costs 11 % of a pass and gains 0.06 tokens)", or only the part that is known. The text
// leaves out a cost below half a percent, because it is no reason for a pause.
std::string RowText(const gateway::v1::SpeculationStats& stats, const Totals& totals) {
  std::vector<std::string> known;
  if (stats.row_cost() >= 0.005) {
    known.push_back(absl::StrFormat("costs %.0f %% of a pass", 100 * stats.row_cost()));
  }
  if (stats.draft_tokens() > 0) {
    known.push_back(absl::StrFormat("gains %.2f tokens", totals.AcceptanceRate()));
  }
  return known.empty() ? "" : absl::StrCat(" (a row ", absl::StrJoin(known, " and "), ")");
}

std::string DraftingText(const gateway::v1::SpeculationStats& stats,
                         const gateway::v1::StepDurations& steps, const Totals& totals) {
  std::vector<std::string> parts;
  if (stats.drafted_steps() > 0) {
    parts.push_back(
        absl::StrFormat("MAT %.2f over %d steps; accepted %d of %d drafted tokens (%.1f%%)",
                        totals.MeanAcceptedTokens(), stats.steps(), stats.accepted_tokens(),
                        stats.draft_tokens(), 100 * totals.AcceptanceRate()));
  }
  if (stats.paused_steps() > 0) {
    parts.push_back(absl::StrFormat("paused in %d of %d steps, because it does not pay here%s",
                                    stats.paused_steps(), stats.steps(), RowText(stats, totals)));
  } else if (stats.drafted_steps() == 0) {
    const auto asked = CountOf(steps.drafted_overhead());
    parts.push_back(
        asked == 0 ? absl::StrFormat("no draft was asked for in %d steps", stats.steps())
                   : absl::StrFormat("%d of %d steps waited for a draft, and no draft was used",
                                     asked, stats.steps()));
  }
  return absl::StrCat("drafting     ", absl::StrJoin(parts, "; "), "\n");
}

std::string TimeText(const Totals& totals) {
  return absl::StrFormat(
      "time         draft %.1f%%, verify %.1f%%, wire %.1f%%, rest %.1f%% of %.2f s decoding\n",
      totals.DraftPercent(), totals.VerifyPercent(), totals.WirePercent(), totals.RestPercent(),
      Seconds(totals.timings.decode_micros()));
}

// Returns an empty text if there are no steps.
std::string OverheadText(const std::string& of, const gateway::v1::DurationHistogram& histogram) {
  if (CountOf(histogram) == 0) return "";
  return absl::StrFormat("overhead     p50 %.0f us, p99 %.0f us of %d steps that %s\n",
                         QuantileMicros(histogram, 0.5), QuantileMicros(histogram, 0.99),
                         CountOf(histogram), of);
}

std::string StepsText(const gateway::v1::StepDurations& steps) {
  return OverheadText("waited for a draft", steps.drafted_overhead()) +
         OverheadText("did not wait", steps.plain_overhead());
}

std::string EndText(const gateway::v1::Final& final) {
  std::string end = FinishReasonName(final.finish_reason());
  if (!final.matched_stop().empty()) {
    absl::StrAppend(&end, " \"", Escaped(final.matched_stop()), "\"");
  }
  if (final.has_matched_token()) absl::StrAppend(&end, " (token ", final.matched_token(), ")");
  return end;
}

}  // namespace

std::string FinishReasonName(gateway::v1::FinishReason reason) {
  switch (reason) {
    case gateway::v1::FINISH_REASON_EOS:
      return "eos";
    case gateway::v1::FINISH_REASON_STOP_STRING:
      return "stop_string";
    case gateway::v1::FINISH_REASON_STOP_TOKEN:
      return "stop_token";
    case gateway::v1::FINISH_REASON_LENGTH:
      return "length";
    default:
      return "unknown";
  }
}

std::string FallbackReasonName(gateway::v1::FallbackReason reason) {
  switch (reason) {
    case gateway::v1::FALLBACK_REASON_UNAVAILABLE:
      return "unavailable";
    case gateway::v1::FALLBACK_REASON_TIMEOUT:
      return "timeout";
    case gateway::v1::FALLBACK_REASON_STALE:
      return "stale";
    case gateway::v1::FALLBACK_REASON_MALFORMED:
      return "malformed";
    case gateway::v1::FALLBACK_REASON_ERROR:
      return "error";
    case gateway::v1::FALLBACK_REASON_MISMATCH:
      return "mismatch";
    default:
      return "unknown";
  }
}

std::string RefusalReasonName(gateway::v1::RefusalReason reason) {
  switch (reason) {
    case gateway::v1::REFUSAL_REASON_QUEUE_FULL:
      return "queue_full";
    case gateway::v1::REFUSAL_REASON_QUEUE_TIMEOUT:
      return "queue_timeout";
    case gateway::v1::REFUSAL_REASON_RATE:
      return "rate";
    case gateway::v1::REFUSAL_REASON_DRAINING:
      return "draining";
    case gateway::v1::REFUSAL_REASON_DEADLINE:
      return "deadline";
    case gateway::v1::REFUSAL_REASON_CANCELLED:
      return "cancelled";
    case gateway::v1::REFUSAL_REASON_UNAUTHENTICATED:
      return "unauthenticated";
    case gateway::v1::REFUSAL_REASON_PERMISSION:
      return "permission";
    case gateway::v1::REFUSAL_REASON_SLOW_READER:
      return "slow_reader";
    default:
      return "unknown";
  }
}

std::string FallbacksText(const gateway::v1::SpeculationStats& speculation) {
  if (speculation.fallbacks().empty()) return "none";
  return absl::StrJoin(speculation.fallbacks(), ", ", [](std::string* out, const auto& fallback) {
    absl::StrAppend(out, fallback.count(), " ", FallbackReasonName(fallback.reason()));
  });
}

std::string FinalText(const gateway::v1::Final& final) {
  Totals totals;
  totals.Add(final);
  const auto& usage = final.usage();
  std::string text = absl::StrFormat(
      "tokens       %d written, %d in the prompt (%d cached); ended by %s; seed %d\n",
      usage.completion_tokens(), usage.prompt_tokens(), usage.cached_prompt_tokens(),
      EndText(final), final.seed());
  absl::StrAppend(
      &text,
      absl::StrFormat("speed        %.1f tokens/s; first token after %.0f ms, all in %.2f s\n",
                      totals.DecodeTokensPerSecond(),
                      1e3 * Seconds(final.timings().time_to_first_token_micros()),
                      Seconds(final.timings().total_micros())),
      DraftingText(final.speculation(), final.steps(), totals), TimeText(totals),
      SourcesText(final.speculation()), StepsText(final.steps()), "fallbacks    ",
      FallbacksText(final.speculation()), "\n");
  return text;
}

// Empty if no request was refused and no output waits to be read.
static std::string RefusalsText(const gateway::v1::GetStatsResponse& stats) {
  std::string text;
  if (!stats.refusals().empty()) {
    absl::StrAppend(&text, "refused      ",
                    absl::StrJoin(stats.refusals(), ", ",
                                  [](std::string* out, const auto& refusal) {
                                    absl::StrAppend(out, refusal.count(), " ",
                                                    RefusalReasonName(refusal.reason()));
                                  }),
                    "\n");
  }
  if (stats.unread_bytes() > 0) {
    absl::StrAppend(&text, "unread       ", stats.unread_outputs(), " outputs that have ended, ",
                    stats.unread_bytes(), " bytes in all\n");
  }
  return text;
}

std::string StatsText(const gateway::v1::GetStatsResponse& stats) {
  Totals totals;
  // The tokens that the counted steps gave.
  totals.tokens = static_cast<std::uint64_t>(
      std::llround(stats.speculation().mean_accepted_tokens() * stats.speculation().steps()));
  totals.timings = stats.timings();
  totals.speculation = stats.speculation();
  std::string text = absl::StrFormat(
      "uptime       %.0f s\nrequests     %d running of %d, %d waiting, %d succeeded, %d failed\n"
      "tokens       %d written, %d in prompts\nspeed        %.1f tokens/s while decoding\n",
      Seconds(stats.uptime_micros()), stats.requests_running(), stats.requests_capacity(),
      stats.requests_waiting(), stats.requests_succeeded(), stats.requests_failed(),
      stats.completion_tokens(), stats.prompt_tokens(), totals.DecodeTokensPerSecond());
  absl::StrAppend(&text, DraftingText(stats.speculation(), stats.steps(), totals), TimeText(totals),
                  SourcesText(stats.speculation()), StepsText(stats.steps()), "fallbacks    ",
                  FallbacksText(stats.speculation()), "\n");
  absl::StrAppend(&text, RefusalsText(stats));
  for (const gateway::v1::Peer& peer : stats.peers()) {
    absl::StrAppend(&text, peer.role() == gateway::v1::PEER_ROLE_VERIFIER ? "verifier" : "drafter ",
                    "     ", Escaped(peer.address()), ": ", peer.ready() ? "ready" : "not ready",
                    ", ", peer.requests_running(), " running", peer.detail().empty() ? "" : ": ",
                    Escaped(peer.detail()), peer.kernel().empty() ? "" : "; kernel ",
                    Escaped(peer.kernel()), "\n");
  }
  return text;
}

}  // namespace recycling::cli
