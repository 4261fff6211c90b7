#include "verifier/kernels/cpu.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace recycling::verifier {
namespace {

TEST(CpuTest, EachInstructionSetIncludesTheOnesBefore) {
  const auto sets = SupportedInstructionSets();
  ASSERT_FALSE(sets.empty());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(sets[i]), i);
    EXPECT_TRUE(Supports(sets[i]));
  }
  EXPECT_EQ(sets.back(), BestInstructionSet());
}

TEST(CpuTest, NamesConvertBothWays) {
  for (const auto set : {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512,
                         InstructionSet::kAvx512Vnni, InstructionSet::kAmx}) {
    EXPECT_EQ(InstructionSetFromName(Name(set)), set);
  }
  EXPECT_EQ(InstructionSetFromName("sse"), std::nullopt);
}

// Linux lists the instruction sets that both Linux and the processor support.
TEST(CpuTest, AgreesWithTheListOfTheOperatingSystem) {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line) && line.rfind("flags", 0) != 0) continue;
  if (!info) return;  // this system has no such list
  const auto has = [&](const std::string& names) {
    std::istringstream words(names);
    for (std::string name; words >> name;) {
      if ((line + " ").find(" " + name + " ") == std::string::npos) return false;
    }
    return true;
  };
  const bool avx2 = has("avx2 fma f16c");
  const bool avx512 = avx2 && has("avx512f avx512bw avx512dq avx512vl");
  const bool vnni = avx512 && has("avx512_vnni");
  EXPECT_EQ(Supports(InstructionSet::kAvx2), avx2);
  EXPECT_EQ(Supports(InstructionSet::kAvx512), avx512);
  EXPECT_EQ(Supports(InstructionSet::kAvx512Vnni), vnni);
  if (!vnni || !has("amx_tile amx_int8 amx_bf16")) {
    EXPECT_FALSE(Supports(InstructionSet::kAmx));
  }
}

}  // namespace
}  // namespace recycling::verifier
