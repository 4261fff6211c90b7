// The origin of a call, in gRPC metadata: `traceparent` and `tracestate` of W3C Trace Context, and
// the request's name as `recycling-request-id-bin` (any bytes).
#ifndef RECYCLING_COMMON_RPC_CALL_METADATA_H_
#define RECYCLING_COMMON_RPC_CALL_METADATA_H_

#include <grpcpp/grpcpp.h>

#include <map>

#include "common/base/trace_context.h"

namespace recycling {

using CallMetadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// Before the call starts.
void AddOrigin(const CallOrigin& origin, grpc::ClientContext* context);

// Of `context->client_metadata()`: a span of our own, in the caller's trace, or in a new one where
// the caller sent none, a bad one or several. A request's name that is too long is cut.
CallOrigin OriginOf(const CallMetadata& metadata);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CALL_METADATA_H_
