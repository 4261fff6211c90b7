#include "common/base/check_range.h"

#include <string>

namespace recycling {

absl::Status OutOfRange(std::string_view name, std::string_view got, std::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(name), ": got ", std::string(got),
                                                 ", expected ", std::string(expected)));
}

absl::Status CheckRange(std::string_view name, absl::Duration value, absl::Duration low,
                        absl::Duration high) {
  if (value >= low && value <= high) return absl::OkStatus();
  const bool bounded = high < absl::InfiniteDuration();
  return OutOfRange(name, absl::FormatDuration(value),
                    absl::StrCat(absl::FormatDuration(low),
                                 bounded ? " to " + absl::FormatDuration(high) : " or more"));
}

}  // namespace recycling
