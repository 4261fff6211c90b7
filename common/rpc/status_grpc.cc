#include "common/rpc/status_grpc.h"

#include <algorithm>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/log.h"
#include "common/base/retry_delay.h"
#include "common/rpc/status_details.h"

namespace recycling {
namespace {
constexpr std::size_t kMaxMessageBytes = 1024;
}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const absl::string_view whole = status.message();
  const std::string message(whole.data(), std::min(whole.size(), kMaxMessageBytes));
  const auto delay = RetryDelay(status);
  if (!delay.has_value()) return grpc::Status(code, message);
  return grpc::Status(code, message, EncodeStatusDetails(code, Escaped(message), *delay));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const int code = status.error_code();
  const bool canonical = code > 0 && code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  absl::Status converted(
      canonical ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
      status.error_message());
  const auto delay = DecodeRetryDelay(status.error_details());
  return delay.has_value() ? WithRetryDelay(std::move(converted), *delay) : converted;
}

}  // namespace recycling
