// Compares the reference models of the shared folder with their goldens.
#include <gtest/gtest.h>

#include "tests/verifier/forward/golden_check.h"
#include "tests/verifier/kernels/software_amx.h"

namespace recycling::verifier {
namespace {

namespace fs = std::filesystem;

void CheckAll(const fs::path& shared, InstructionSet set, const MatMulKernel* kernel = nullptr) {
  SCOPED_TRACE(std::string(kernel == nullptr ? Name(set) : kernel->name()));
  Checked checked;
  for (const char* name :
       {"llama-gqa.f32", "llama-gqa.F16", "llama-gqa.BF16", "llama-gqa.Q8_0", "llama-gqa.Q4_0",
        "llama-tied.f32", "llama-ropefac.f32", "stories260k.f32"}) {
    const auto goldens = ReadGoldens(shared / "goldens", std::string(name) + ".");
    const Checked one =
        CheckGoldens(goldens, shared / "models" / (std::string(name) + ".gguf"), set, kernel);
    checked.logits += one.logits;
    checked.greedy += one.greedy;
  }
  // There are 8 models with 4 prompts each. Some greedy ids are not compared, because their gap is
  // too small.
  EXPECT_EQ(checked.logits, 32);
  if (kernel != nullptr) {
    EXPECT_EQ(checked.greedy, 0);
  } else if (set == InstructionSet::kPortable) {
    EXPECT_EQ(checked.greedy, 30);
  } else {
    EXPECT_GE(checked.greedy, 10);
  }
}

TEST(GoldenTest, ReferenceModelsComputeTheReferenceLogits) {
  const char* env = std::getenv("RECYCLING_SHARED");
  const fs::path shared = env != nullptr ? fs::path(env) : SourceDir() / "../shared";
  if (env == nullptr && !fs::exists(shared)) {
    GTEST_SKIP() << "no reference files: " << shared << " does not exist";
  }
  for (const InstructionSet set : SupportedInstructionSets()) CheckAll(shared, set);
  CheckAll(shared, InstructionSet::kPortable, &PlainAmxKernel());
}

}  // namespace
}  // namespace recycling::verifier
