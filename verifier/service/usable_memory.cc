#include "verifier/service/usable_memory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"
#include "common/base/control_groups.h"

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
  Lower(root + "/sys/fs/cgroup/memory/memory.limit_in_bytes", limit);
  for (const std::filesystem::path& group : ControlGroups(root)) {
    Lower(group / "memory.max", limit);
  }
  return limit;
}

}  // namespace recycling::verifier
