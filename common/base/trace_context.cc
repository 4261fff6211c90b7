#include "common/base/trace_context.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"

namespace recycling {
namespace {

constexpr std::size_t kTraceDigits = 32;
constexpr std::size_t kSpanDigits = 16;
constexpr std::size_t kLength = 2 + 1 + kTraceDigits + 1 + kSpanDigits + 1 + 2;
constexpr std::size_t kLongestState = 512;
constexpr std::uint8_t kSampled = 1;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return HexDigit(c) >= 0; });
}

bool IsId(std::string_view text) {
  return IsHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

std::string Hex16(std::uint64_t bits) { return absl::StrCat(absl::Hex(bits, absl::kZeroPad16)); }

std::string NewSpanId(const TraceContext::Random& random) {
  std::uint64_t bits = random();
  while (bits == 0) bits = random();
  return Hex16(bits);
}

}  // namespace

std::uint64_t RandomBits() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

std::optional<TraceContext> TraceContext::Parse(std::string_view traceparent) {
  if (traceparent.size() < kLength) return std::nullopt;
  const std::string_view version = traceparent.substr(0, 2);
  const std::string_view trace_id = traceparent.substr(3, kTraceDigits);
  const std::string_view span_id = traceparent.substr(4 + kTraceDigits, kSpanDigits);
  const std::string_view flags = traceparent.substr(kLength - 2, 2);
  if (traceparent[2] != '-' || traceparent[3 + kTraceDigits] != '-' ||
      traceparent[kLength - 3] != '-' || !IsHex(version) || version == "ff" || !IsId(trace_id) ||
      !IsId(span_id) || !IsHex(flags)) {
    return std::nullopt;
  }
  const bool longer = traceparent.size() > kLength;
  if (longer && (version == "00" || traceparent[kLength] != '-')) return std::nullopt;
  TraceContext context;
  context.trace_id_ = trace_id;
  context.span_id_ = span_id;
  context.flags_ = static_cast<std::uint8_t>(HexDigit(flags[1])) & kSampled;
  return context;
}

TraceContext TraceContext::Begin(const Random& random) {
  TraceContext context;
  context.trace_id_ = Hex16(random()) + NewSpanId(random);  // the second half is not 0
  context.span_id_ = NewSpanId(random);
  return context;
}

TraceContext TraceContext::Child(const Random& random) const {
  TraceContext child = *this;
  child.parent_span_id_ = span_id_;
  child.span_id_ = NewSpanId(random);
  return child;
}

void TraceContext::set_tracestate(std::string_view tracestate) {
  const bool sendable = tracestate.size() <= kLongestState &&
                        std::all_of(tracestate.begin(), tracestate.end(),
                                    [](char c) { return c >= ' ' && c <= '~'; });
  tracestate_ = sendable ? tracestate : std::string_view();
}

std::string TraceContext::traceparent() const {
  if (trace_id_.empty()) return "";
  return absl::StrCat("00-", trace_id_, "-", span_id_, sampled() ? "-01" : "-00");
}

}  // namespace recycling
