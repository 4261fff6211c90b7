#include "verifier/kernels/usable_cores.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"

namespace recycling::verifier {
namespace {

class UsableCoresTest : public testing::Test {
 protected:
  UsableCoresTest() { std::filesystem::remove_all(root_); }
  ~UsableCoresTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& file, const std::string& text) {
    const std::filesystem::path path = root_ + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << "\n";
  }
  void Allow(const std::string& list) {
    Write("/proc/self/status", "Name:\tverifier\nCpus_allowed:\tff\nCpus_allowed_list:\t" + list);
  }
  // Processors i and i + cores are the threads of one core.
  void WriteTopology(int cores) {
    for (int core = 0; core < cores; ++core) {
      for (const int processor : {core, core + cores}) {
        Write(absl::StrCat("/sys/devices/system/cpu/cpu", processor,
                           "/topology/thread_siblings_list"),
              absl::StrCat(core, ",", core + cores));
      }
    }
  }

  const std::string root_ =
      testing::TempDir() + "/" + testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(UsableCoresTest, AreTheMachinesProcessorsIfNothingIsKnown) {
  EXPECT_EQ(UsableCores(root_), static_cast<int>(std::thread::hardware_concurrency()));
}

TEST_F(UsableCoresTest, TheThreadsOfACoreCountOnce) {
  WriteTopology(4);
  Allow("0-7");
  EXPECT_EQ(UsableCores(root_), 4);
  Allow("0,4");
  EXPECT_EQ(UsableCores(root_), 1);
  Allow("0-2,4");
  EXPECT_EQ(UsableCores(root_), 3);
  Allow("5,6");
  EXPECT_EQ(UsableCores(root_), 2);
}

TEST_F(UsableCoresTest, AProcessorWithoutTopologyIsACore) {
  Allow("3-5,9");
  EXPECT_EQ(UsableCores(root_), 4);
}

TEST_F(UsableCoresTest, TheLowestLimitFromTheProcessUpCounts) {
  Allow("0-15");
  Write("/proc/self/cgroup", "1:name=other:/x\n0::/a/b");
  Write("/sys/fs/cgroup/a/b/cpu.max", "max 100000");
  EXPECT_EQ(UsableCores(root_), 16);
  Write("/sys/fs/cgroup/a/cpu.max", "600000 100000");
  EXPECT_EQ(UsableCores(root_), 6);
  Write("/sys/fs/cgroup/a/b/cpu.max", "150000 100000");
  EXPECT_EQ(UsableCores(root_), 2);  // 1.5 processors
  Write("/sys/fs/cgroup/cpu.max", "20000 100000");
  EXPECT_EQ(UsableCores(root_), 1);
  Write("/sys/fs/cgroup/x/cpu.max", "1 100000");
  EXPECT_EQ(UsableCores(root_), 1);
}

TEST_F(UsableCoresTest, ALimitAboveTheCoresDoesNotCount) {
  WriteTopology(4);
  Allow("0-7");
  Write("/sys/fs/cgroup/cpu.max", "800000 100000");
  EXPECT_EQ(UsableCores(root_), 4);
}

TEST_F(UsableCoresTest, ReadsTheOlderLimit) {
  Allow("0-7");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(UsableCores(root_), 8);
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000");
  EXPECT_EQ(UsableCores(root_), 3);
}

TEST_F(UsableCoresTest, TextsThatMakeNoSenseAreIgnored) {
  const int machine = static_cast<int>(std::thread::hardware_concurrency());
  for (const std::string list : {"", "x", "3-1", "-1", "0-", "0-99999999", "1,,2", "0-x"}) {
    Allow(list);
    EXPECT_EQ(UsableCores(root_), machine) << list;
  }
  Allow("0-7");
  for (const std::string limit : {"", "max", "0 100000", "-5 100000", "100000 0", "nan nan", "1"}) {
    Write("/sys/fs/cgroup/cpu.max", limit);
    EXPECT_EQ(UsableCores(root_), 8) << limit;
  }
}

}  // namespace
}  // namespace recycling::verifier
