#include "common/base/status_macros.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;

absl::Status Count(const absl::Status& status, int& calls) {
  ++calls;
  return status;
}

absl::Status ReturnsEarly(const absl::Status& status, int& calls, bool& reached) {
  RETURN_IF_ERROR(Count(status, calls));
  reached = true;
  return absl::OkStatus();
}

absl::StatusOr<int> Unwraps(absl::StatusOr<std::unique_ptr<int>> first,
                            absl::StatusOr<int> second) {
  ASSIGN_OR_RETURN(const std::unique_ptr<int> pointer, std::move(first));
  int number = 0;
  ASSIGN_OR_RETURN(number, second);
  return *pointer + number;
}

TEST(ReturnIfErrorTest, EvaluatesOnceAndReturnsOnlyErrors) {
  int calls = 0;
  bool reached = false;
  EXPECT_THAT(ReturnsEarly(absl::NotFoundError("no"), calls, reached),
              StatusIs(absl::StatusCode::kNotFound, "no"));
  EXPECT_FALSE(reached);
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(ReturnsEarly(absl::OkStatus(), calls, reached), IsOk());
  EXPECT_TRUE(reached);
  EXPECT_EQ(calls, 2);
}

TEST(AssignOrReturnTest, MovesTheValueOrReturnsTheError) {
  EXPECT_THAT(Unwraps(std::make_unique<int>(40), 2), doubles::IsOkAndHolds(42));
  EXPECT_THAT(Unwraps(absl::DataLossError("first"), 2),
              StatusIs(absl::StatusCode::kDataLoss, "first"));
  EXPECT_THAT(Unwraps(std::make_unique<int>(40), absl::InternalError("second")),
              StatusIs(absl::StatusCode::kInternal, "second"));
}

}  // namespace
}  // namespace recycling
