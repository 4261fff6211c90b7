#include "verifier/kernels/usable_cores.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/control_groups.h"

namespace recycling::verifier {
namespace {

constexpr int kMostProcessors = 65536;

std::string FirstLine(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// The numbers of a list such as "0-3,8". Empty if the text is no such list.
std::vector<int> ParseList(absl::string_view text) {
  std::vector<int> numbers;
  for (const absl::string_view range : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(range, '-');
    int first = 0;
    int last = 0;
    if (ends.size() > 2) return {};
    if (!absl::SimpleAtoi(ends.front(), &first) || !absl::SimpleAtoi(ends.back(), &last)) return {};
    if (first < 0 || last < first || last >= kMostProcessors) return {};
    for (int number = first; number <= last; ++number) numbers.push_back(number);
  }
  return numbers;
}

// The processors of the affinity mask.
std::vector<int> Processors(const std::string& root) {
  std::ifstream in(root + "/proc/self/status");
  std::vector<int> processors;
  for (std::string line; std::getline(in, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, "Cpus_allowed_list:")) continue;
    processors = ParseList(absl::StripAsciiWhitespace(rest));
  }
  if (!processors.empty()) return processors;
  const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (int processor = 0; processor < all; ++processor) processors.push_back(processor);
  return processors;
}

// A quota and its period as a number of processors; infinite if one of them is not a positive
// number, for example the word "max".
double Limit(absl::string_view quota, absl::string_view period) {
  double of = 0;
  double in = 0;
  const bool numbers = absl::SimpleAtod(quota, &of) && absl::SimpleAtod(period, &in);
  return numbers && of > 0 && in > 0 ? of / in : std::numeric_limits<double>::infinity();
}

double ProcessorLimit(const std::string& root) {
  const std::string old = root + "/sys/fs/cgroup/cpu/";
  double limit = Limit(FirstLine(old + "cpu.cfs_quota_us"), FirstLine(old + "cpu.cfs_period_us"));
  for (const std::filesystem::path& group : ControlGroups(root)) {
    const std::string line = FirstLine(group / "cpu.max");
    const std::pair<absl::string_view, absl::string_view> words = absl::StrSplit(line, ' ');
    limit = std::min(limit, Limit(words.first, words.second));
  }
  return limit;
}

}  // namespace

int UsableCores(const std::string& root) {
  std::set<std::string> cores;
  for (const int processor : Processors(root)) {
    const std::string siblings = FirstLine(absl::StrCat(
        root, "/sys/devices/system/cpu/cpu", processor, "/topology/thread_siblings_list"));
    cores.insert(siblings.empty() ? absl::StrCat("processor ", processor) : siblings);
  }
  const auto physical = static_cast<double>(cores.size());
  return std::max(1, static_cast<int>(std::min(physical, std::ceil(ProcessorLimit(root)))));
}

}  // namespace recycling::verifier
