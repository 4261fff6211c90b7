// W3C Trace Context. The headers `traceparent` and `tracestate` carry the id of a trace from
// service to service. This code records no spans. The ids are for logs, and for tracing systems
// around this one.
#ifndef RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_
#define RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace recycling {

// Random bits from the operating system. Threads: any.
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

  // The sender's span, from its `traceparent`. If the header has a later version, only the
  // known part is read. Returns nothing for a header that the specification calls invalid; the
  // caller then begins a new trace. A header is invalid
  //  1. if it has capital letters as digits, an id that is all 0, or the version ff,
  //  2. if its version is 00 and it does not have exactly 55 characters,
  //  3. if its version is later and it has fewer than 55 characters,
  //  4. if its version is later and it has more than 55 characters, of which the 56th is no dash.
  static std::optional<TraceContext> Parse(std::string_view traceparent);

  // The first span of a new trace, not sampled.
  static TraceContext Begin(const Random& random = RandomBits);

  // A new span of the same trace, whose parent is this one. Requires a trace.
  TraceContext Child(const Random& random = RandomBits) const;

  // The service forwards it unchanged. A value is ignored if it has more than 512 bytes or holds
  // characters that are not printable ASCII, because such a header cannot be sent.
  void set_tracestate(std::string_view tracestate);

  // The `traceparent` to send to the next service, of version 00. Empty without a trace.
  std::string traceparent() const;
  const std::string& tracestate() const { return tracestate_; }

  const std::string& trace_id() const { return trace_id_; }  // 32 digits
  const std::string& span_id() const { return span_id_; }    // 16 digits
  const std::string& parent_span_id() const {
    return parent_span_id_;
  }  // 16 digits; empty: no parent
  bool sampled() const { return (flags_ & 1) != 0; }

 private:
  std::string trace_id_;
  std::string span_id_;
  std::string parent_span_id_;
  std::uint8_t flags_ = 0;  // version 00 defines one flag, sampled
  std::string tracestate_;
};

// The request for which a call is made. Caller and service log it. It has no other effect.
struct CallOrigin {
  std::string request_id;  // any bytes, at most kLongestRequestId
  TraceContext trace;      // the caller's span
};
inline constexpr std::size_t kLongestRequestId = 128;

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_TRACE_CONTEXT_H_
