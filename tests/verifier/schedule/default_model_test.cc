// Compares the default model with the project's own goldens. deploy/model/reference.py computed
// them in float64.
#include <gtest/gtest.h>

#include "tests/verifier/forward/golden_check.h"

namespace recycling::verifier {
namespace {

TEST(DefaultModelTest, ComputesTheLogitsOfItsGoldens) {
  const auto goldens = ReadGoldens(SourceDir() / "tests/goldens/default", "");
  ASSERT_FALSE(goldens.empty());
  for (const Arithmetic arithmetic : {Arithmetic::kExact, Arithmetic::kFast}) {
    const Computation computation = {.arithmetic = arithmetic};
    SCOPED_TRACE(computation.Name());
    const Checked checked =
        CheckGoldens(goldens, SourceDir() / "deploy/model/default.q8_0.gguf", computation);
    EXPECT_EQ(checked.logits, static_cast<int>(goldens.size()));
    if (arithmetic == Arithmetic::kExact) {
      EXPECT_GE(checked.greedy, 1);
    }
  }
}

}  // namespace
}  // namespace recycling::verifier
