// The one line a request leaves in the log, and what may follow it.
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

// What the outcome does not say. Whatever was not understood before the request failed is empty.
struct RequestIdentity {
  std::string request_id;
  TraceContext trace;
  std::string tenant;
  std::uint32_t prompt_tokens = 0;
  std::string verifier;  // address, at the end
};

// Writes it: who asked, how it ended, what it cost. No text of prompt or output.
void LogRequest(const RequestIdentity& request, const DecodeOutcome& outcome);

// The line of a request that did not begin. What is not known of it is empty.
struct RefusedRequest {
  std::string request_id;
  TraceContext trace;
  std::string tenant;
  std::string_view reason;  // as in the metric: "queue_full", "unauthenticated", ...
  absl::Status status;
  absl::Duration waited;
  std::uint64_t left_out = 0;  // such requests before this one that left no line
};
void LogRefusal(const RefusedRequest& request);

// A line of an output that is not read to the end, besides the request's own: its stream is
// cancelled with `unread` waiting, for `reason`. `now` is Clock::Monotonic().
void LogDroppedOutput(const RequestIdentity& request, const UnreadOutput& unread,
                      std::string_view reason, absl::Duration now);

// "queue_full", "queue_timeout", "rate", "draining", "deadline", "cancelled".
const char* RefusalReasonName(RefusalReason reason);

// "eos", "stop_string", "stop_token", "length".
const char* FinishReasonName(FinishReason reason);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_REQUEST_LOG_H_
