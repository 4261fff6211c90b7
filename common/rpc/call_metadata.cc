#include "common/rpc/call_metadata.h"

#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace recycling {
namespace {

constexpr char kTraceparent[] = "traceparent";
constexpr char kTracestate[] = "tracestate";
constexpr char kRequestId[] = "recycling-request-id-bin";

std::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

std::string Joined(const CallMetadata& metadata, const char* key) {
  std::string joined;
  const auto [begin, end] = metadata.equal_range(key);
  for (auto it = begin; it != end; ++it) {
    joined.append(joined.empty() ? "" : ",").append(View(it->second));
  }
  return joined;
}

}  // namespace

void AddOrigin(const CallOrigin& origin, grpc::ClientContext* context) {
  if (!origin.request_id.empty()) context->AddMetadata(kRequestId, origin.request_id);
  if (origin.trace.trace_id().empty()) return;
  context->AddMetadata(kTraceparent, origin.trace.traceparent());
  if (!origin.trace.tracestate().empty()) {
    context->AddMetadata(kTracestate, origin.trace.tracestate());
  }
}

CallOrigin OriginOf(const CallMetadata& metadata) {
  CallOrigin origin;
  if (const auto id = metadata.find(kRequestId); id != metadata.end()) {
    origin.request_id = View(id->second).substr(0, kLongestRequestId);
  }
  std::optional<TraceContext> sender;
  if (metadata.count(kTraceparent) == 1) {
    sender = TraceContext::Parse(View(metadata.find(kTraceparent)->second));
  }
  if (!sender.has_value()) {
    origin.trace = TraceContext::Begin();
    return origin;
  }
  sender->set_tracestate(Joined(metadata, kTracestate));
  origin.trace = sender->Child();
  return origin;
}

CallOrigin ChildOf(const CallOrigin& caller) {
  const bool traced = !caller.trace.trace_id().empty();
  return {.request_id = caller.request_id.substr(0, kLongestRequestId),
          .trace = traced ? caller.trace.Child() : TraceContext::Begin()};
}

}  // namespace recycling
