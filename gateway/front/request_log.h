// The log line of a request, and the log line of an output that is dropped.
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

// The fields of the line that DecodeOutcome does not have. A field is empty if it was not known
// when the request failed.
struct RequestIdentity {
  std::string request_id;
  TraceContext trace;
  std::string tenant;
  std::uint32_t prompt_tokens = 0;
  std::string verifier;  // address of the one in use at the end
};

// Writes the tenant, the end and the cost of a request. Writes no text of its prompt or output.
void LogRequest(const RequestIdentity& request, const DecodeOutcome& outcome);

// The line of a request that did not begin. Fields that are not known are empty.
struct RefusedRequest {
  std::string request_id;
  TraceContext trace;
  std::string tenant;
  std::string_view reason;  // as in the metric: "queue_full", "unauthenticated", ...
  absl::Status status;
  absl::Duration waited;
  std::uint64_t left_out = 0;  // requests of this kind that got no line, since the last line
};
void LogRefusal(const RefusedRequest& request);

// Writes the line of a dropped output, in addition to the request's own line. `unread` is what the
// client had not read, `reason` why the output is dropped. `now` is Clock::Monotonic().
void LogDroppedOutput(const RequestIdentity& request, const UnreadOutput& unread,
                      std::string_view reason, absl::Duration now);

// "queue_full", "queue_timeout", "rate", "draining", "deadline", "cancelled".
const char* RefusalReasonName(RefusalReason reason);

// "eos", "stop_string", "stop_token", "length".
const char* FinishReasonName(FinishReason reason);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_REQUEST_LOG_H_
