// GoogleMock matchers for absl::Status and absl::StatusOr. A mismatch prints the whole status.
#ifndef RECYCLING_TESTS_DOUBLES_MATCHERS_H_
#define RECYCLING_TESTS_DOUBLES_MATCHERS_H_

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace recycling::doubles {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// An absl::Status or StatusOr that is OK.
MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << "whose status is " << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// An absl::Status or StatusOr with this code, whose message matches `message`.
MATCHER_P2(StatusIs, code, message,
           std::string(negation ? "does not have" : "has") + " code " +
               absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message)) {
  const absl::Status& status = StatusOf(arg);
  *result_listener << "whose status is " << status.ToString();
  return status.code() == code && ::testing::Matches(::testing::SafeMatcherCast<std::string>(
                                      message))(std::string(status.message()));
}

// The same, with any message.
inline auto StatusIs(absl::StatusCode code) { return StatusIs(code, ::testing::_); }

// An absl::StatusOr that is OK and whose value matches `value`.
MATCHER_P(IsOkAndHolds, value,
          std::string(negation ? "is an error or does not hold" : "is OK and holds") +
              " the expected value") {
  if (!arg.ok()) {
    *result_listener << "whose status is " << arg.status().ToString();
    return false;
  }
  *result_listener << "which holds " << ::testing::PrintToString(*arg) << " ";
  return ::testing::ExplainMatchResult(value, *arg, result_listener);
}

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_MATCHERS_H_
