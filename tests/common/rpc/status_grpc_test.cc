#include "common/rpc/status_grpc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "common/base/retry_delay.h"
#include "common/rpc/status_details.h"
#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;

TEST(StatusGrpcTest, ConvertsEveryCodeAndMessageBothWays) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what, got, expected");
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpcStatus(wire), status);
  }
}

TEST(StatusGrpcTest, CutsLongMessagesTo1KiB) {
  const grpc::Status wire = ToGrpcStatus(absl::InternalError(std::string(1500, 'x')));
  EXPECT_EQ(wire.error_message(), std::string(1024, 'x'));
  EXPECT_EQ(ToGrpcStatus(absl::InternalError(std::string(1024, 'x'))).error_message().size(),
            1024u);
}

TEST(StatusGrpcTest, CodesOutsideTheCanonicalRangeBecomeUnknown) {
  for (const int code : {17, 31, -1}) {  // values that the enumeration's type can hold
    EXPECT_THAT(FromGrpcStatus(grpc::Status(static_cast<grpc::StatusCode>(code), "odd")),
                StatusIs(absl::StatusCode::kUnknown, "odd"));
  }
  EXPECT_THAT(FromGrpcStatus(grpc::Status::OK), IsOk());
}

TEST(StatusGrpcTest, ARetryDelayIsSentAsRetryInfo) {
  const absl::Status full =
      WithRetryDelay(absl::ResourceExhaustedError("full"), absl::Milliseconds(1500));
  const grpc::Status wire = ToGrpcStatus(full);
  // google.rpc.Status { code: 8 message: "full" details { google.rpc.RetryInfo { 1.5 s } } }
  const std::string url = "type.googleapis.com/google.rpc.RetryInfo";
  const std::string retry_info("\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01", 10);
  const std::string any = std::string("\x0a") + static_cast<char>(url.size()) + url + "\x12" +
                          static_cast<char>(retry_info.size()) + retry_info;
  EXPECT_EQ(wire.error_details(), std::string("\x08\x08\x12\x04") + "full" + "\x1a" +
                                      static_cast<char>(any.size()) + any);
  EXPECT_EQ(FromGrpcStatus(wire), full);
  EXPECT_EQ(RetryDelay(FromGrpcStatus(wire)), absl::Milliseconds(1500));
  EXPECT_EQ(RetryDelay(FromGrpcStatus(ToGrpcStatus(absl::InternalError("x")))), std::nullopt);
}

TEST(StatusGrpcTest, ADelayIsBoundedByZeroAndADay) {
  const absl::Status status = absl::UnavailableError("x");
  EXPECT_EQ(RetryDelay(WithRetryDelay(status, -absl::Seconds(1))), absl::ZeroDuration());
  EXPECT_EQ(RetryDelay(WithRetryDelay(status, absl::InfiniteDuration())), absl::Hours(24));
}

TEST(StatusGrpcTest, DetailsThatCannotBeParsedAreLeftOut) {
  const std::string good = EncodeStatusDetails(8, "full", absl::Seconds(2));
  EXPECT_EQ(DecodeRetryDelay(good), absl::Seconds(2));
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_EQ(DecodeRetryDelay(good.substr(0, bytes)), std::nullopt) << bytes;
  }
  EXPECT_EQ(DecodeRetryDelay(std::string(1 << 20, '\x1a')), std::nullopt);
  EXPECT_EQ(DecodeRetryDelay("\x1a\xff\xff\xff\xff\x7f"), std::nullopt);
  const grpc::Status odd(grpc::StatusCode::INTERNAL, "x", "\xff\xff\xff");
  EXPECT_EQ(FromGrpcStatus(odd), absl::InternalError("x"));
}

}  // namespace
}  // namespace recycling
