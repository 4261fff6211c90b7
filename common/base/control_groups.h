#ifndef RECYCLING_COMMON_BASE_CONTROL_GROUPS_H_
#define RECYCLING_COMMON_BASE_CONTROL_GROUPS_H_

#include <filesystem>
#include <string>
#include <vector>

namespace recycling {

// The folders with the limits of this process's control group (cgroup version 2) and of all groups
// above it, the own group first. The folder of the root group, /sys/fs/cgroup, is always there and
// comes last. `root` stands before /proc and /sys. For tests.
std::vector<std::filesystem::path> ControlGroups(const std::string& root = "");

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_CONTROL_GROUPS_H_
