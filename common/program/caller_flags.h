// Flags that decide which callers may call a service.
#ifndef RECYCLING_COMMON_PROGRAM_CALLER_FLAGS_H_
#define RECYCLING_COMMON_PROGRAM_CALLER_FLAGS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/program/flag_group.h"
#include "common/rpc/caller_check.h"

namespace recycling {

FlagGroup CallerFlags();

// Checks callers by the keys of --api_keys; see CallerCheck. `listen` holds the addresses of the
// service. Without --api_keys, every caller may do everything except administration.
// Administration is allowed too if all addresses are loopback or unix sockets, or if
// --allow_open_admin is set. InvalidArgument that names the key file if it is wrong.
absl::StatusOr<std::shared_ptr<const CallerCheck>> CallersFromFlags(
    const std::vector<std::string>& listen, const std::string& process_key = "");

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_CALLER_FLAGS_H_
