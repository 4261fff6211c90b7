#ifndef RECYCLING_GATEWAY_GRPC_REQUEST_ID_H_
#define RECYCLING_GATEWAY_GRPC_REQUEST_ID_H_

#include <google/protobuf/io/zero_copy_stream.h>

#include <string>

namespace recycling::gateway {

// Returns the request_id of a serialized GenerateRequest. It is for the log line of a request that
// is refused before it is parsed. Skips the other fields without copying them. Returns "" if there
// is no request_id, if it is too long, or if the bytes are not a valid message.
std::string RequestIdOf(google::protobuf::io::ZeroCopyInputStream* request);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_REQUEST_ID_H_
