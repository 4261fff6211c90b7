#include "common/rpc/status_details.h"

#include <algorithm>
#include <cstdint>

#include "recycling/common/v1/grpc_messages.pb.h"

namespace recycling {
namespace {

constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr std::size_t kMostBytes = 64 << 10;

bool Parse(std::string_view bytes, google::protobuf::MessageLite* message) {
  return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

std::string EncodeStatusDetails(int code, const std::string& message, absl::Duration retry_delay) {
  common::v1::RetryInfo info;
  absl::Duration rest;
  info.mutable_retry_delay()->set_seconds(absl::IDivDuration(retry_delay, absl::Seconds(1), &rest));
  info.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(rest)));
  common::v1::RpcStatus status;
  status.set_code(code);
  status.set_message(message);
  google::protobuf::Any* detail = status.add_details();
  detail->set_type_url(kRetryInfo);
  detail->set_value(info.SerializeAsString());
  return status.SerializeAsString();
}

std::optional<absl::Duration> DecodeRetryDelay(std::string_view bytes) {
  common::v1::RpcStatus status;
  if (bytes.size() > kMostBytes || !Parse(bytes, &status)) return {};
  std::optional<absl::Duration> delay;
  for (const google::protobuf::Any& detail : status.details()) {
    common::v1::RetryInfo info;
    if (detail.type_url() != kRetryInfo || !Parse(detail.value(), &info)) continue;
    if (!info.has_retry_delay()) continue;
    delay = std::max(
        absl::Seconds(info.retry_delay().seconds()) + absl::Nanoseconds(info.retry_delay().nanos()),
        absl::ZeroDuration());
  }
  return delay;
}

}  // namespace recycling
