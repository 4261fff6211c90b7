#include "common/status_grpc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;

TEST(StatusGrpcTest, EveryCodeAndMessageGoesThereAndBack) {
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
  for (const int code : {17, 31, -1}) {  // what the enumeration's bits can hold
    EXPECT_THAT(FromGrpcStatus(grpc::Status(static_cast<grpc::StatusCode>(code), "odd")),
                StatusIs(absl::StatusCode::kUnknown, "odd"));
  }
  EXPECT_THAT(FromGrpcStatus(grpc::Status::OK), IsOk());
}

}  // namespace
}  // namespace recycling
