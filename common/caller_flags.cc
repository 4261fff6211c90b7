#include "common/caller_flags.h"

#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "common/clock.h"
#include "common/status_macros.h"

ABSL_FLAG(std::string, api_keys, "",
          "File of API keys, as hashes with tenants, roles and limits (common/README.md); "
          "'recycling key' makes one. It is read again when it changes. Empty: callers need none "
          "and are all one tenant.");

namespace recycling {

absl::StatusOr<std::shared_ptr<const CallerCheck>> CallersFromFlags(
    const std::string& process_key) {
  const std::string path = absl::GetFlag(FLAGS_api_keys);
  if (path.empty()) return std::make_shared<const CallerCheck>();
  ASSIGN_OR_RETURN(auto keys, ApiKeyFile::Open(path, RealClock()));
  return std::make_shared<const CallerCheck>(std::move(keys), process_key);
}

}  // namespace recycling
