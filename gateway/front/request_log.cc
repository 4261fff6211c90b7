#include "gateway/front/request_log.h"

#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/log.h"

namespace recycling::gateway {
namespace {

std::string Millis(absl::Duration duration) {
  return absl::StrFormat("%.1f", absl::ToDoubleMilliseconds(duration));
}

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.3f", absl::ToDoubleSeconds(duration));
}

}  // namespace

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos:
      return "eos";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kStopToken:
      return "stop_token";
    case FinishReason::kLength:
      return "length";
  }
  return "";
}

const char* RefusalReasonName(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kQueueFull:
      return "queue_full";
    case RefusalReason::kQueueTimeout:
      return "queue_timeout";
    case RefusalReason::kRate:
      return "rate";
    case RefusalReason::kDraining:
      return "draining";
    case RefusalReason::kDeadline:
      return "deadline";
    case RefusalReason::kCancelled:
      return "cancelled";
    case RefusalReason::kCount:
      break;
  }
  return "";
}

void LogRefusal(const RefusedRequest& request) {
  Log(LogLevel::kInfo, "generate",
      {{"request_id", request.request_id},
       {"trace_id", request.trace.trace_id()},
       {"span_id", request.trace.span_id()},
       {"parent_span_id", request.trace.parent_span_id()},
       {"tenant", request.tenant},
       {"end", request.status.ToString(absl::StatusToStringMode::kWithNoExtraData)},
       {"reason", std::string(request.reason)},
       {"seconds", Seconds(request.waited)},
       {"left_out", absl::StrCat(request.left_out)}});
}

void LogDroppedOutput(const RequestIdentity& request, const UnreadOutput& unread,
                      std::string_view reason, absl::Duration now) {
  const absl::Duration waited = unread.bytes == 0 ? absl::ZeroDuration() : now - unread.since;
  Log(LogLevel::kInfo, "output dropped",
      {{"trace_id", request.trace.trace_id()},
       {"span_id", request.trace.span_id()},
       {"parent_span_id", request.trace.parent_span_id()},
       {"tenant", request.tenant},
       {"reason", std::string(reason)},
       {"unread_bytes", absl::StrCat(unread.bytes)},
       {"seconds", Seconds(waited)}});
}

void LogRequest(const RequestIdentity& request, const DecodeOutcome& outcome) {
  const SpeculationStats& speculation = outcome.speculation;
  const Timings& timings = outcome.timings;
  const double seconds = absl::ToDoubleSeconds(timings.decode);
  const double rate = seconds > 0 ? outcome.completion_tokens / seconds : 0;
  const std::uint64_t fallbacks =
      std::accumulate(speculation.fallbacks.begin(), speculation.fallbacks.end(), std::uint64_t{0});
  Log(LogLevel::kInfo, "generate",
      {{"request_id", request.request_id},
       {"trace_id", request.trace.trace_id()},
       {"span_id", request.trace.span_id()},
       {"parent_span_id", request.trace.parent_span_id()},
       {"tenant", request.tenant},
       {"end",
        outcome.status.ok() ? FinishReasonName(outcome.finish.reason) : outcome.status.ToString()},
       {"prompt_tokens", absl::StrCat(request.prompt_tokens)},
       {"cached_tokens", absl::StrCat(outcome.cached_prompt_tokens)},
       {"completion_tokens", absl::StrCat(outcome.completion_tokens)},
       {"seconds", Seconds(timings.total)},
       {"first_token_ms", Millis(timings.time_to_first_token)},
       {"prefill_ms", Millis(timings.prefill)},
       {"tokens_per_second", absl::StrFormat("%.1f", rate)},
       {"steps", absl::StrCat(speculation.steps)},
       {"mean_accepted_tokens", absl::StrFormat("%.2f", speculation.MeanAcceptedTokens())},
       {"drafted", absl::StrCat(speculation.draft_tokens)},
       {"accepted", absl::StrCat(speculation.accepted_tokens)},
       {"fallbacks", absl::StrCat(fallbacks)},
       {"paused", absl::StrCat(speculation.paused_steps)},
       {"verifier", request.verifier},
       {"moves", absl::StrCat(speculation.moves)},
       {"drafter", outcome.drafter}});
}

}  // namespace recycling::gateway
