#include "verifier/service/usable_memory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace recycling::verifier {
namespace {

// Lowers `limit` to the number in a file. Does nothing if the file is missing or holds a word such
// as "max".
void Lower(const std::filesystem::path& file, std::uint64_t& limit) {
  std::ifstream in(file);
  std::string word;
  std::uint64_t bytes = 0;
  if (in >> word && absl::SimpleAtoi(word, &bytes)) limit = std::min(limit, bytes);
}

}  // namespace

std::uint64_t UsableMemory(const std::string& root) {
  std::uint64_t limit = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES))) *
                        static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PAGESIZE)));
  const std::filesystem::path groups = root + "/sys/fs/cgroup";
  Lower(groups / "memory/memory.limit_in_bytes", limit);
  Lower(groups / "memory.max", limit);
  std::ifstream in(root + "/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    if (!absl::StartsWith(line, "0::/")) continue;
    // The group of the process and all groups above it.
    for (std::filesystem::path group = line.substr(4); !group.empty();
         group = group.parent_path()) {
      Lower(groups / group / "memory.max", limit);
    }
  }
  return limit;
}

}  // namespace recycling::verifier
