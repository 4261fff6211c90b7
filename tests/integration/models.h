// Model files that integration tests run on.
#ifndef RECYCLING_TESTS_INTEGRATION_MODELS_H_
#define RECYCLING_TESTS_INTEGRATION_MODELS_H_

#include <gtest/gtest.h>

#include <string>

#include "tests/doubles/tiny_model.h"

namespace recycling::integration {

// Writes a small random model of `architecture` into `folder` and returns its path. The greedy
// output of a "llama" is long, and a token takes less than a millisecond.
inline std::string TinyModel(const std::string& folder, const std::string& architecture = "llama") {
  const std::string path = folder + "/tiny.gguf";
  doubles::TinyModelSpec spec = doubles::TinyModelOf(architecture);
  spec.context_length = 2048;
  EXPECT_TRUE(doubles::WriteTinyModel(spec, path)) << path;
  return path;
}

}  // namespace recycling::integration

#endif  // RECYCLING_TESTS_INTEGRATION_MODELS_H_
