// The main function of every test program. A test may skip only if a line of expected_skips.txt
// matches it and the need that this line names is absent. Any other skip fails the run.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/doubles/shared_folder.h"

namespace {

// '*' in `pattern` stands for any characters.
bool Matches(const char* pattern, const char* name) {
  if (*pattern == '*')
    return Matches(pattern + 1, name) || (*name != 0 && Matches(pattern, name + 1));
  return *pattern == *name && (*name == 0 || Matches(pattern + 1, name + 1));
}

class SkipWatcher : public testing::EmptyTestEventListener {
 public:
  explicit SkipWatcher(const std::string& list) {
    std::ifstream file(list);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string pattern, need;
      if (words >> pattern >> need && pattern[0] != '#') expected_.emplace_back(pattern, need);
    }
  }

  int unexpected() const { return unexpected_; }

 private:
  void OnTestEnd(const testing::TestInfo& info) override {
    if (!info.result()->Skipped()) return;
    const std::string name = std::string(info.test_suite_name()) + "." + info.name();
    for (const auto& [pattern, need] : expected_) {
      if (!Matches(pattern.c_str(), name.c_str())) continue;
      if (need == "shared" && recycling::doubles::SharedFolder().empty()) return;
    }
    ++unexpected_;
    std::fprintf(stderr, "%s: skipped, but tests/expected_skips.txt does not allow that here\n",
                 name.c_str());
  }

  std::vector<std::pair<std::string, std::string>> expected_;
  int unexpected_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  auto* const watcher = new SkipWatcher(RECYCLING_EXPECTED_SKIPS);  // GoogleTest deletes it
  testing::UnitTest::GetInstance()->listeners().Append(watcher);
  const int result = RUN_ALL_TESTS();
  return result == 0 && watcher->unexpected() > 0 ? 1 : result;
}
