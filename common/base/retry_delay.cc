#include "common/base/retry_delay.h"

#include <algorithm>
#include <string>

#include "absl/strings/cord.h"

namespace recycling {
namespace {
constexpr char kType[] = "recycling/retry-delay";
}  // namespace

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  const absl::Duration bounded = std::clamp(delay, absl::ZeroDuration(), absl::Hours(24));
  status.SetPayload(kType, absl::Cord(absl::FormatDuration(bounded)));
  return status;
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto payload = status.GetPayload(kType);
  absl::Duration delay;
  if (!payload.has_value() || !absl::ParseDuration(std::string(*payload), &delay)) return {};
  return delay;
}

}  // namespace recycling
