// Compares the tiny model of each architecture with the logits that another engine computed from
// the same file. tests/goldens/architectures/README.md says how to record them.
#include <gtest/gtest.h>

#include <string>

#include "tests/doubles/tiny_model.h"
#include "tests/verifier/forward/golden_check.h"

namespace recycling::verifier {
namespace {

TEST(TinyGoldenTest, EveryArchitectureComputesTheLogitsOfItsGolden) {
  for (const Architecture& architecture : Architectures()) {
    const std::string name(architecture.name);
    SCOPED_TRACE(name);
    const std::string path = testing::TempDir() + "/tiny_golden." + name + ".gguf";
    ASSERT_TRUE(doubles::WriteTinyModel(doubles::TinyModelOf(name), path));
    const auto goldens = ReadGoldens(SourceDir() / "tests/goldens/architectures", name + ".");
    ASSERT_EQ(goldens.size(), 1U);
    for (const Arithmetic arithmetic : {Arithmetic::kExact, Arithmetic::kFast}) {
      const Checked checked = CheckGoldens(goldens, path, {.arithmetic = arithmetic});
      EXPECT_EQ(checked.logits, 1);
      if (arithmetic == Arithmetic::kExact) {
        EXPECT_EQ(checked.greedy, 1);
      }
    }
  }
}

}  // namespace
}  // namespace recycling::verifier
