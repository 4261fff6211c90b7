// W3C Trace Context: which trace a piece of work belongs to, as the headers `traceparent` and
// `tracestate` carry it from service to service. Nothing is recorded here; ids are for logs and for
// whoever records around us.
#ifndef RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_
#define RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace recycling {

// Any number of the machine's random bits. Threads: any.
std::uint64_t RandomBits();

// One span of a trace. A value; threads as any value.
//
//   traceparent = version "-" trace-id "-" parent-id "-" flags        lower-case hex
//                 2           32           16            2 digits
class TraceContext {
 public:
  using Random = std::function<std::uint64_t()>;

  // No trace: every id is empty.
  TraceContext() = default;

  // The sender's span. Nothing, so that a new trace is begun, for what the specification calls
  // invalid: digits in capitals, ids that are all 0, version ff, a version 00 of another length
  // than 55, a later one whose known part is not followed by the end or a dash. Of a later version
  // the known part is taken.
  static std::optional<TraceContext> Parse(std::string_view traceparent);

  // The first span of a new trace, not sampled.
  static TraceContext Begin(const Random& random = RandomBits);

  // A new span of the same trace, whose parent is this one. Requires a trace.
  TraceContext Child(const Random& random = RandomBits) const;

  // Passed on unread. Ignored if it is longer than 512 bytes or has other characters than printable
  // ASCII, with which it could not be sent on.
  void set_tracestate(std::string_view tracestate);

  // What to send on, of version 00; empty without a trace.
  std::string traceparent() const;
  const std::string& tracestate() const { return tracestate_; }

  const std::string& trace_id() const { return trace_id_; }              // 32 digits
  const std::string& span_id() const { return span_id_; }                // 16 digits
  const std::string& parent_span_id() const { return parent_span_id_; }  // 16; empty: the first
  bool sampled() const { return (flags_ & 1) != 0; }

 private:
  std::string trace_id_;
  std::string span_id_;
  std::string parent_span_id_;
  std::uint8_t flags_ = 0;  // of version 00: only sampled is known
  std::string tracestate_;
};

// On whose behalf a call is made. For logs on both sides; decides nothing.
struct CallOrigin {
  std::string request_id;  // any bytes, at most kLongestRequestId
  TraceContext trace;      // the caller's span
};
inline constexpr std::size_t kLongestRequestId = 128;

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_
