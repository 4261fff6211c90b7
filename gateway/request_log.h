// The one line a request leaves in the log.
#ifndef RECYCLING_GATEWAY_REQUEST_LOG_H_
#define RECYCLING_GATEWAY_REQUEST_LOG_H_

#include <cstdint>
#include <string>

#include "common/trace_context.h"
#include "gateway/decode_loop.h"

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

// "eos", "stop_string", "stop_token", "length".
const char* FinishReasonName(FinishReason reason);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_REQUEST_LOG_H_
