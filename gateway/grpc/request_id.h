#ifndef RECYCLING_GATEWAY_GRPC_REQUEST_ID_H_
#define RECYCLING_GATEWAY_GRPC_REQUEST_ID_H_

#include <google/protobuf/io/zero_copy_stream.h>

#include <string>

namespace recycling::gateway {

// The request_id of a GenerateRequest that is not to be understood otherwise: its other fields are
// skipped, not copied. Empty if it has none, or one that is too long, or is not a message.
std::string RequestIdOf(google::protobuf::io::ZeroCopyInputStream* request);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_REQUEST_ID_H_
