#include "gateway/front/request_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/base/retry_delay.h"

namespace recycling::gateway {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

TEST(RequestLogTest, ARefusalLogsTheSameKindOfLineAsARequest) {
  const TraceContext trace =
      TraceContext::Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")->Child();
  CaptureStderr();
  LogRefusal({.request_id = "mine",
              .trace = trace,
              .tenant = "acme",
              .reason = RefusalReasonName(RefusalReason::kQueueFull),
              .status = WithRetryDelay(absl::ResourceExhaustedError("full"), absl::Seconds(1)),
              .waited = absl::Milliseconds(1500)});
  EXPECT_THAT(GetCapturedStderr(),
              EndsWith(" I generate request_id=mine trace_id=0af7651916cd43dd8448eb211c80319c "
                       "span_id=" +
                       trace.span_id() +
                       " parent_span_id=b7ad6b7169203331 tenant=acme end=\"RESOURCE_EXHAUSTED: "
                       "full\" reason=queue_full seconds=1.500 left_out=0\n"));
}

TEST(RequestLogTest, ADroppedOutputLogsItsUnreadBytesAndSeconds) {
  const TraceContext trace = TraceContext::Begin();
  const RequestIdentity request = {.trace = trace, .tenant = "acme"};
  CaptureStderr();
  LogDroppedOutput(request, {.bytes = 70, .since = absl::Seconds(5)}, "slow_reader",
                   absl::Seconds(35));
  LogDroppedOutput(request, {}, "draining", absl::Seconds(35));
  const std::string lines = GetCapturedStderr();
  EXPECT_THAT(lines, HasSubstr(" I output dropped trace_id=" + trace.trace_id()));
  EXPECT_THAT(lines, HasSubstr("tenant=acme reason=slow_reader unread_bytes=70 seconds=30.000\n"));
  EXPECT_THAT(lines, HasSubstr("tenant=acme reason=draining unread_bytes=0 seconds=0.000\n"));
}

TEST(RequestLogTest, EveryRefusalReasonHasADifferentName) {
  std::set<std::string> names;
  for (int i = 0; i < static_cast<int>(RefusalReason::kCount); ++i) {
    names.insert(RefusalReasonName(static_cast<RefusalReason>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(RefusalReason::kCount));
  EXPECT_EQ(names.count(""), 0u);
}

}  // namespace
}  // namespace recycling::gateway
