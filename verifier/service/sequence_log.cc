#include "verifier/service/sequence_log.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/log.h"

namespace recycling::verifier {
namespace {

std::string Millis(absl::Duration duration) {
  return absl::StrFormat("%.1f", absl::ToDoubleMilliseconds(duration));
}

}  // namespace

SequenceLog::SequenceLog(const CallMetadata& metadata) {
  if (LogsLevel(LogLevel::kDebug)) origin_ = OriginOf(metadata);
}

SequenceLog::SequenceLog(const CallOrigin& caller) {
  if (LogsLevel(LogLevel::kDebug)) origin_ = ChildOf(caller);
}

void SequenceLog::Add(const StepTimings& timings) {
  timings_.queue += timings.queue;
  timings_.forward += timings.forward;
  timings_.sample += timings.sample;
}

void SequenceLog::Opened(const OpenResult& result) {
  base_ = result.base;
  Add(result.timings);
}

void SequenceLog::Stepped(const StepResult& result) {
  ++steps_;
  rows_ += static_cast<std::uint64_t>(result.rows);
  tokens_ += result.tokens.size();
  Add(result.timings);
}

void SequenceLog::Ended(const absl::Status& status) {
  if (!origin_.has_value()) return;
  Log(LogLevel::kDebug, "sequence",
      {{"request_id", origin_->request_id},
       {"trace_id", origin_->trace.trace_id()},
       {"span_id", origin_->trace.span_id()},
       {"parent_span_id", origin_->trace.parent_span_id()},
       {"end", status.ok() ? "closed" : status.ToString()},
       {"opened_at", absl::StrCat(base_)},
       {"steps", absl::StrCat(steps_)},
       {"rows", absl::StrCat(rows_)},
       {"tokens", absl::StrCat(tokens_)},
       {"queue_ms", Millis(timings_.queue)},
       {"forward_ms", Millis(timings_.forward)},
       {"sample_ms", Millis(timings_.sample)}});
}

}  // namespace recycling::verifier
