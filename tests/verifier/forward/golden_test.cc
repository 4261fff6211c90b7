// Compares the reference models of the shared folder with their goldens.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "tests/verifier/forward/golden_check.h"
#include "tests/verifier/kernels/software_amx.h"

namespace recycling::verifier {
namespace {

namespace fs = std::filesystem;

struct Reference {
  std::string name;
  fs::path model;
  fs::path goldens;
};

// The reference models of the shared folder. They cover the architectures and the number formats.
// Empty if the folder does not exist.
std::vector<Reference> References() {
  const char* env = std::getenv("RECYCLING_SHARED");
  const fs::path shared = env != nullptr ? fs::path(env) : SourceDir() / "../shared";
  if (env == nullptr && !fs::exists(shared)) return {};
  std::vector<Reference> references;
  for (const char* name :
       {"llama-gqa.f32", "llama-gqa.F16", "llama-gqa.BF16", "llama-gqa.Q8_0", "llama-gqa.Q4_0",
        "llama-tied.f32", "llama-ropefac.f32", "stories260k.f32"}) {
    references.push_back(
        {name, shared / "models" / (std::string(name) + ".gguf"), shared / "goldens"});
  }
  for (const char* format :
       {"Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS"}) {
    const std::string name = absl::StrCat("llama-gqa.", format);
    references.push_back(
        {name, shared / "models/formats" / (name + ".gguf"), shared / "goldens/formats"});
  }
  for (const char* architecture :
       {"gemma2", "gemma3", "gemma3-full", "gemma3-pattern", "granite", "llama-linear",
        "llama-yarn", "mistral3-yarn", "olmo2", "olmo3-yarn", "phi3", "phi3-longrope", "phi3-short",
        "qwen2", "qwen2-yarn", "qwen3", "qwen3moe", "smollm3"}) {
    const std::string name = absl::StrCat(architecture, ".f32");
    references.push_back({name, shared / "models/architectures" / (name + ".gguf"),
                          shared / "goldens/architectures"});
  }
  return references;
}

Checked CheckAll(const std::vector<Reference>& references, const Computation& computation) {
  SCOPED_TRACE(computation.Name());
  Checked all;
  for (const Reference& reference : references) {
    const auto goldens = ReadGoldens(reference.goldens, reference.name + ".");
    EXPECT_EQ(goldens.size(), 4U) << reference.name;
    const Checked one = CheckGoldens(goldens, reference.model, computation);
    std::printf("%s, %s: largest difference %.2g of the largest logit\n",
                computation.Name().c_str(), reference.name.c_str(), one.worst);
    all.logits += one.logits;
    all.greedy += one.greedy;
  }
  return all;
}

TEST(GoldenTest, ReferenceModelsMatchTheGoldensInExactArithmetic) {
  const std::vector<Reference> references = References();
  if (references.empty()) GTEST_SKIP() << "no reference files: the shared folder does not exist";
  const Checked checked = CheckAll(references, {.arithmetic = Arithmetic::kExact});
  // There are 36 models with 4 prompts each. CheckGoldens does not compare greedy ids whose gap is
  // too small.
  EXPECT_EQ(checked.logits, 144);
  EXPECT_GE(checked.greedy, 100);
}

TEST(GoldenTest, ReferenceModelsAreNearTheGoldensInFastArithmetic) {
  const std::vector<Reference> references = References();
  if (references.empty()) GTEST_SKIP() << "no reference files: the shared folder does not exist";
  // All kernels give the same bits, so the test uses only one.
  EXPECT_EQ(CheckAll(references, {}).logits, 144);
}

}  // namespace
}  // namespace recycling::verifier
