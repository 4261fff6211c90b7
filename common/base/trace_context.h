// W3C Trace Context: the headers `traceparent` and `tracestate` carry the trace that a piece of
// work belongs to from service to service. Nothing is recorded here: the ids are for logs, and for
// systems around this one that record traces.
#ifndef RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_
#define RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace recycling {

// Random bits from the machine. Threads: any.
std::uint64_t RandomBits();

// One span of a trace. A plain value.
//
//   traceparent = version "-" trace-id "-" parent-id "-" flags        lower-case hex
//                 2           32           16            2 digits
class TraceContext {
 public:
  using Random = std::function<std::uint64_t()>;

  // No trace: every id is empty.
  TraceContext() = default;

  // The sender's span, from its `traceparent`; of a later version the known part is read. Nothing
  // for a header that the specification calls invalid, so that a new trace is begun: digits in
  // capitals, ids that are all 0, version ff, a version 00 whose length is not 55, a later version
  // whose known part is not followed by the end or a dash.
  static std::optional<TraceContext> Parse(std::string_view traceparent);

  // The first span of a new trace, not sampled.
  static TraceContext Begin(const Random& random = RandomBits);

  // A new span of the same trace, whose parent is this one. Requires a trace.
  TraceContext Child(const Random& random = RandomBits) const;

  // Passed on as it is. Ignored if it is longer than 512 bytes, or has characters that are not
  // printable ASCII and so could not be sent on.
  void set_tracestate(std::string_view tracestate);

  // The header to send on, of version 00; empty without a trace.
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
  std::uint8_t flags_ = 0;  // version 00 defines one: sampled
  std::string tracestate_;
};

// On whose behalf a call is made. Both sides log it; it decides nothing.
struct CallOrigin {
  std::string request_id;  // any bytes, at most kLongestRequestId
  TraceContext trace;      // the caller's span
};
inline constexpr std::size_t kLongestRequestId = 128;

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_
