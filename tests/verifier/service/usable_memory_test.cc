#include "verifier/service/usable_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace recycling::verifier {
namespace {

class UsableMemoryTest : public testing::Test {
 protected:
  UsableMemoryTest() { std::filesystem::remove_all(root_); }
  ~UsableMemoryTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& file, const std::string& text) {
    const std::filesystem::path path = root_ + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << "\n";
  }

  const std::string root_ =
      testing::TempDir() + "/" + testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(UsableMemoryTest, WithoutLimitsItIsTheMemoryOfTheMachine) {
  const std::uint64_t machine = UsableMemory(root_);
  EXPECT_GT(machine, 1u << 20);
  Write("/proc/self/cgroup", "0::/a");
  Write("/sys/fs/cgroup/a/memory.max", "max");
  Write("/sys/fs/cgroup/memory.max", "99999999999999999999");
  EXPECT_EQ(UsableMemory(root_), machine);
}

TEST_F(UsableMemoryTest, IsTheLowestLimitOfTheCgroupAndItsParents) {
  Write("/proc/self/cgroup", "1:name=other:/x\n0::/a/b/c");
  Write("/sys/fs/cgroup/a/b/c/memory.max", "300000");
  EXPECT_EQ(UsableMemory(root_), 300000u);
  Write("/sys/fs/cgroup/a/memory.max", "200000");
  EXPECT_EQ(UsableMemory(root_), 200000u);
  Write("/sys/fs/cgroup/x/memory.max", "100");
  EXPECT_EQ(UsableMemory(root_), 200000u);
  Write("/sys/fs/cgroup/memory.max", "100000");
  EXPECT_EQ(UsableMemory(root_), 100000u);
}

TEST_F(UsableMemoryTest, ReadsTheLimitOfCgroupVersionOne) {
  Write("/proc/self/cgroup", "4:memory:/docker/x");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "400000");
  EXPECT_EQ(UsableMemory(root_), 400000u);
}

}  // namespace
}  // namespace recycling::verifier
