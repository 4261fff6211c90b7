// The origin of a call in its gRPC metadata: `traceparent` and `tracestate` of W3C Trace Context,
// and the request's id as `recycling-request-id-bin` (any bytes).
#ifndef RECYCLING_COMMON_RPC_CALL_METADATA_H_
#define RECYCLING_COMMON_RPC_CALL_METADATA_H_

#include <grpcpp/grpcpp.h>

#include <map>

#include "common/base/trace_context.h"

namespace recycling {

using CallMetadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// Adds `origin` to the metadata of a call that has not started.
void AddOrigin(const CallOrigin& origin, grpc::ClientContext* context);

// The origin of a call, from its `context->client_metadata()`. It has a new span in the caller's
// trace. If the caller sent no trace, an invalid one or several, the span is in a new trace. A
// request id that is too long is cut.
CallOrigin OriginOf(const CallMetadata& metadata);

// The same for a call within this process, from the origin that the caller would have sent.
CallOrigin ChildOf(const CallOrigin& caller);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CALL_METADATA_H_
