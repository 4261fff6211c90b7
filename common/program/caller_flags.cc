#include "common/program/caller_flags.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/net/listen_address.h"

ABSL_FLAG(std::string, api_keys, "",
          "File of API keys, as hashes with tenants, roles and limits (common/README.md); "
          "'recycling key' makes one. It is read again when it changes. Empty: callers need none "
          "and are all one tenant; administration is then for services that listen on loopback or "
          "unix: addresses alone, unless --allow_open_admin.");
ABSL_FLAG(bool, allow_open_admin, false,
          "Without --api_keys, let every caller that reaches --listen from beyond this machine "
          "administrate: stop a gateway for good (Drain) and read its statistics, take and replace "
          "a drafter's matrices.");

namespace recycling {

absl::StatusOr<std::shared_ptr<const CallerCheck>> CallersFromFlags(
    const std::vector<std::string>& listen, const std::string& process_key) {
  const std::string path = absl::GetFlag(FLAGS_api_keys);
  if (path.empty()) {
    const bool open = absl::GetFlag(FLAGS_allow_open_admin) ||
                      std::all_of(listen.begin(), listen.end(), ListensOnThisMachine);
    return std::make_shared<const CallerCheck>(open ? WithoutKeys::kEverything
                                                    : WithoutKeys::kAllButAdmin);
  }
  ASSIGN_OR_RETURN(auto keys, ApiKeyFile::Open(path, RealClock()));
  return std::make_shared<const CallerCheck>(std::move(keys), process_key);
}

}  // namespace recycling
