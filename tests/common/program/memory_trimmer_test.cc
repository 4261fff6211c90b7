#include "common/program/memory_trimmer.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "common/base/process_metrics.h"

namespace recycling {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

TEST(MemoryTrimmerTest, TrimsWhenTheProcessHasGrown) {
  std::uint64_t resident = 500 * kMiB;
  int trims = 0;
  std::uint64_t after = 0;
  MemoryTrimmer trimmer([&] { return resident; },
                        [&] {
                          ++trims;
                          resident = after;
                        });
  const auto trims_at = [&](std::uint64_t mib, std::uint64_t left) {
    const int before = trims;
    resident = mib * kMiB;
    after = left * kMiB;
    trimmer.Look();
    return trims > before;
  };
  EXPECT_FALSE(trims_at(563, 0));
  EXPECT_TRUE(trims_at(564, 510));
  EXPECT_FALSE(trims_at(573, 0));
  EXPECT_TRUE(trims_at(900, 900)) << "it trims, although all memory is in use";
  EXPECT_FALSE(trims_at(963, 0));
  EXPECT_FALSE(trims_at(563, 0)) << "the process gave the memory back without a trim";
  EXPECT_TRUE(trims_at(627, 600));
}

TEST(MemoryTrimmerTest, TrimsAgainAfterATrimThatGaveNothingBack) {
  std::uint64_t resident = 500 * kMiB;
  int trims = 0;
  MemoryTrimmer trimmer([&] { return resident; }, [&] { ++trims; });
  resident = 900 * kMiB;
  std::vector<int> trimmed;
  for (int look = 0; look < 200; ++look) {
    const int before = trims;
    trimmer.Look();
    if (trims > before) trimmed.push_back(look);
  }
  EXPECT_EQ(trimmed, (std::vector<int>{0, 2, 6, 14, 30, 62, 126, 190}));
  resident = 563 * kMiB;
  for (int look = 0; look < 200; ++look) trimmer.Look();
  EXPECT_EQ(trims, 8) << "a process that has hardly grown needs no trim";
}

#ifdef __GLIBC__
TEST(MemoryTrimmerTest, GivesBackFreedMemoryBetweenBlocksInUse) {
  MemoryTrimmer trimmer = TrimmerOfThisProcess();
  const std::uint64_t before = ResidentBytes();
  constexpr std::size_t kPiece = 8192;
  std::vector<std::unique_ptr<char[]>> pieces;
  std::vector<std::unique_ptr<char[]>> stay;
  for (int i = 0; i < 40000; ++i) {
    pieces.push_back(std::make_unique<char[]>(kPiece));  // the zeros make it resident
    if (i % 100 == 0) stay.push_back(std::make_unique<char[]>(64));
  }
  EXPECT_GT(ResidentBytes(), before + 300 * kMiB);
  pieces.clear();
  trimmer.Look();
  EXPECT_LT(ResidentBytes(), before + 100 * kMiB);
}
#endif

}  // namespace
}  // namespace recycling
