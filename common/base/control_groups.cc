#include "common/base/control_groups.h"

#include <fstream>

#include "absl/strings/match.h"

namespace recycling {

std::vector<std::filesystem::path> ControlGroups(const std::string& root) {
  const std::filesystem::path top = root + "/sys/fs/cgroup";
  std::vector<std::filesystem::path> groups;
  std::ifstream in(root + "/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    if (!absl::StartsWith(line, "0::/")) continue;
    for (std::filesystem::path group = line.substr(4); !group.empty();
         group = group.parent_path()) {
      groups.push_back(top / group);
    }
  }
  groups.push_back(top);
  return groups;
}

}  // namespace recycling
