#include "drafter/service/session_log.h"

#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace recycling::drafter {

SessionLog::SessionLog(const CallMetadata& metadata) {
  if (LogsLevel(LogLevel::kDebug)) origin_ = OriginOf(metadata);
}

SessionLog::SessionLog(const CallOrigin& caller) {
  if (LogsLevel(LogLevel::kDebug)) origin_ = ChildOf(caller);
}

void SessionLog::Opened(const v1::OpenSession& open) {
  if (origin_.has_value()) tenant_ = open.tenant();
}

void SessionLog::Stepped(const v1::DraftStep& step) {
  ++steps_;
  rows_ +=
      static_cast<std::uint64_t>(step.prompt().tokens_size() + step.observation().tokens_size());
}

void SessionLog::Answered(const v1::DraftResponse& response) {
  ++drafts_;
  nodes_ += static_cast<std::uint64_t>(response.tree().tokens_size());
  micros_ += response.draft_micros();
}

void SessionLog::Ended(const absl::Status& status) {
  if (!origin_.has_value()) return;
  Log(LogLevel::kDebug, "session",
      {{"request_id", origin_->request_id},
       {"trace_id", origin_->trace.trace_id()},
       {"span_id", origin_->trace.span_id()},
       {"parent_span_id", origin_->trace.parent_span_id()},
       {"tenant", tenant_},
       {"end", status.ok() ? "closed" : status.ToString()},
       {"steps", absl::StrCat(steps_)},
       {"rows_learnt", absl::StrCat(rows_)},
       {"drafts", absl::StrCat(drafts_)},
       {"nodes", absl::StrCat(nodes_)},
       {"draft_micros", absl::StrCat(micros_)}});
}

}  // namespace recycling::drafter
