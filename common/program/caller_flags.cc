#include "common/program/caller_flags.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/net/listen_address.h"

ABSL_FLAG(
    std::string, api_keys, "",
    "File that lists API keys as hashes, with tenants, roles and limits. 'recycling key' makes a "
    "line for it. common/auth/README.md has its format. The service reads it again when it "
    "changes. Empty: callers need no key and are all one tenant. Administration is then refused, "
    "unless every --listen address is loopback or unix:, or --allow_open_admin is set.");
ABSL_FLAG(
    bool, allow_open_admin, false,
    "Without --api_keys, let every caller administrate, also from other machines. At a gateway, "
    "every caller can then read the statistics and drain the gateway, which cannot be undone. At a "
    "drafter, every caller can read and replace the matrices.");

namespace recycling {

FlagGroup CallerFlags() { return RareGroupOf("API keys", FLAGS_api_keys, FLAGS_allow_open_admin); }

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
