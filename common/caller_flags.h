// The flags by which a service says who may call it.
#ifndef RECYCLING_COMMON_CALLER_FLAGS_H_
#define RECYCLING_COMMON_CALLER_FLAGS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "common/caller_check.h"

namespace recycling {

// Checks by the keys of --api_keys, or none without it; see CallerCheck. InvalidArgument naming the
// file if it is wrong.
absl::StatusOr<std::shared_ptr<const CallerCheck>> CallersFromFlags(
    const std::string& process_key = "");

}  // namespace recycling

#endif  // RECYCLING_COMMON_CALLER_FLAGS_H_
