// Checks of numbers and durations that come from outside.
#ifndef RECYCLING_COMMON_BASE_CHECK_RANGE_H_
#define RECYCLING_COMMON_BASE_CHECK_RANGE_H_

#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace recycling {

// InvalidArgument "<name>: got <got>, expected <expected>".
absl::Status OutOfRange(std::string_view name, std::string_view got, std::string_view expected);

// OK if low <= value <= high, else InvalidArgument "<name>: got <value>, expected <low> to <high>".
// NaN is out of every range.
template <typename T>
requires std::is_arithmetic_v<T> absl::Status CheckRange(std::string_view name, T value,
                                                         std::type_identity_t<T> low,
                                                         std::type_identity_t<T> high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return OutOfRange(name, absl::StrCat(value), absl::StrCat(low, " to ", high));
}

// The same for durations; without `high` it says "expected <low> or more".
absl::Status CheckRange(std::string_view name, absl::Duration value, absl::Duration low,
                        absl::Duration high = absl::InfiniteDuration());

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_CHECK_RANGE_H_
