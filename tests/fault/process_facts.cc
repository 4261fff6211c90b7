#include "tests/fault/process_facts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"

namespace recycling::fault {
namespace {

std::int64_t Median(std::span<const std::int64_t> values) {
  std::vector<std::int64_t> sorted(values.begin(), values.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

}  // namespace

std::string ProcessFacts::ForPeople() const {
  return absl::StrCat(descriptors, " descriptors, ", threads, " threads, ", resident_kib / 1024,
                      " MiB");
}

absl::StatusOr<ProcessFacts> ReadProcessFacts(pid_t pid) {
  const std::string folder = absl::StrCat("/proc/", pid);
  const auto nobody = [&] {
    return absl::NotFoundError(absl::StrCat("process ", pid, ": cannot look into ", folder));
  };
  ProcessFacts facts;
  std::error_code error;
  const std::filesystem::directory_iterator files(folder + "/fd", error);
  if (error) return nobody();
  facts.descriptors = static_cast<int>(std::distance(begin(files), end(files)));
  std::ifstream status(folder + "/status");
  for (std::string word; status >> word;) {
    if (word == "Threads:") status >> facts.threads;
    if (word == "VmRSS:") status >> facts.resident_kib;
    if (word == "VmHWM:") status >> facts.peak_kib;
  }
  if (facts.threads == 0) return nobody();
  return facts;
}

bool HoldsMore(const ProcessFacts& now, const ProcessFacts& before, int spare) {
  return now.descriptors > before.descriptors + spare ||
         now.threads > before.threads + kPoolThreads;
}

std::int64_t Growth(std::span<const std::int64_t> series) {
  if (series.size() < 8) return 0;
  const std::size_t quarter = series.size() / 4;
  return Median(series.last(quarter)) - Median(series.subspan(quarter, quarter));
}

}  // namespace recycling::fault
