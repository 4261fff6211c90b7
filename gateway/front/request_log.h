// The line that a request leaves in the log, and the line of an output that is dropped.
#ifndef RECYCLING_GATEWAY_FRONT_REQUEST_LOG_H_
#define RECYCLING_GATEWAY_FRONT_REQUEST_LOG_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/trace_context.h"
#include "gateway/front/admission.h"
#include "gateway/front/slow_readers.h"
#include "gateway/loop/decode_loop.h"

namespace recycling::gateway {

// What the outcome does not say. What was not known yet when the request failed is empty.
struct RequestIdentity {
  std::string request_id;
  TraceContext trace;
  std::string tenant;
  std::uint32_t prompt_tokens = 0;
  std::string verifier;  // address of the one in use at the end
};

// Writes who asked, how the request ended and what it cost. Writes no text of prompt or output.
void LogRequest(const RequestIdentity& request, const DecodeOutcome& outcome);

// The line of a request that did not begin. Fields that are not known are empty.
struct RefusedRequest {
  std::string request_id;
  TraceContext trace;
  std::string tenant;
  std::string_view reason;  // as in the metric: "queue_full", "unauthenticated", ...
  absl::Status status;
  absl::Duration waited;
  std::uint64_t left_out = 0;  // such requests since the last line that left none
};
void LogRefusal(const RefusedRequest& request);

// The line of an output that is dropped, besides the request's own line: its call is cancelled with
// `unread` waiting, for `reason`. `now` is Clock::Monotonic().
void LogDroppedOutput(const RequestIdentity& request, const UnreadOutput& unread,
                      std::string_view reason, absl::Duration now);

// "queue_full", "queue_timeout", "rate", "draining", "deadline", "cancelled".
const char* RefusalReasonName(RefusalReason reason);

// "eos", "stop_string", "stop_token", "length".
const char* FinishReasonName(FinishReason reason);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_REQUEST_LOG_H_
