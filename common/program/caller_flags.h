// The flags by which a service says who may call it.
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

// Checks by the keys of --api_keys; see CallerCheck. Without it all may do everything if every
// address of `listen`, the service's, is loopback or a unix socket, or with --allow_open_admin;
// else everything but administration. InvalidArgument naming the file if it is wrong.
absl::StatusOr<std::shared_ptr<const CallerCheck>> CallersFromFlags(
    const std::vector<std::string>& listen, const std::string& process_key = "");

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_CALLER_FLAGS_H_
