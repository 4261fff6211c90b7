#include "gateway/grpc/request_id.h"

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>

#include "common/base/trace_context.h"
#include "common/rpc/wire_fields.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::gateway {

std::string RequestIdOf(google::protobuf::io::ZeroCopyInputStream* request) {
  constexpr int kField = v1::GenerateRequest::kRequestIdFieldNumber;
  static_assert(kField == v1::ChatRequest::kRequestIdFieldNumber);
  constexpr std::uint32_t kWanted = LengthDelimitedTag(kField);
  google::protobuf::io::CodedInputStream input(request);
  std::string id;
  while (const std::uint32_t tag = input.ReadTag()) {
    if (tag != kWanted) {
      if (!SkipField(&input, tag)) return "";
      continue;
    }
    std::uint32_t size = 0;
    if (!input.ReadVarint32(&size) || size > kLongestRequestId ||
        !input.ReadString(&id, static_cast<int>(size))) {
      return "";
    }
  }
  return input.ConsumedEntireMessage() ? id : "";
}

}  // namespace recycling::gateway
