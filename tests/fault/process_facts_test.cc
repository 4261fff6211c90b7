#include "tests/fault/process_facts.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "tests/doubles/matchers.h"

namespace recycling::fault {
namespace {

using doubles::StatusIs;

TEST(ProcessFactsTest, CountsANewDescriptorANewThreadAndNewMemory) {
  const auto before = ReadProcessFacts(getpid());
  ASSERT_TRUE(before.ok()) << before.status();
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  Mutex mutex;
  mutex.Lock();
  std::thread waiting([&] { MutexLock lock(mutex); });
  std::vector<char> memory(64 << 20, 1);
  const auto after = ReadProcessFacts(getpid());
  mutex.Unlock();
  waiting.join();
  close(fd);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->descriptors, before->descriptors + 1);
  EXPECT_EQ(after->threads, before->threads + 1);
  EXPECT_GT(after->resident_kib, before->resident_kib + (60 << 10)) << memory.size();
  EXPECT_GE(after->peak_kib, after->resident_kib);
}

TEST(ProcessFactsTest, AnUnknownProcessIsNotFound) {
  EXPECT_THAT(ReadProcessFacts(-1).status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST(GrowthTest, IsTheLastQuarterMinusTheSecond) {
  const std::vector<std::int64_t> grows = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(Growth(grows), 4);
  const std::vector<std::int64_t> fills = {0, 90, 100, 101, 99, 100, 100, 101};
  EXPECT_LE(Growth(fills), 1) << "the first quarter must not count as growth";
  const std::vector<std::int64_t> spike = {5, 5, 5, 5, 5, 5, 5, 5, 5, 99, 5, 5};
  EXPECT_EQ(Growth(spike), 0);
  const std::vector<std::int64_t> few = {1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(Growth(few), 0);
}

}  // namespace
}  // namespace recycling::fault
