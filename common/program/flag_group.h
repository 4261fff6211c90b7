// Which flags a program takes, and how --help groups them.
#ifndef RECYCLING_COMMON_PROGRAM_FLAG_GROUP_H_
#define RECYCLING_COMMON_PROGRAM_FLAG_GROUP_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"

namespace recycling {

// Flags that belong together.
struct FlagGroup {
  std::string title;               // a heading, for example "Memory"
  std::vector<std::string> names;  // of flags that ABSL_FLAG defines, in the order of --help
  bool rare = false;               // --help lists only the names; --help=all describes the flags
};

// A group of `flags`: FLAGS_listen, FLAGS_port_file, ...
template <typename... T>
FlagGroup GroupOf(std::string title, const absl::Flag<T>&... flags) {
  return {.title = std::move(title),
          .names = {std::string(absl::GetFlagReflectionHandle(flags).Name())...}};
}

// The same for flags that few people need.
template <typename... T>
FlagGroup RareGroupOf(std::string title, const absl::Flag<T>&... flags) {
  FlagGroup group = GroupOf(std::move(title), flags...);
  group.rare = true;
  return group;
}

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_FLAG_GROUP_H_
