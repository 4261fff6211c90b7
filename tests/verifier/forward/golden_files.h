// Logits and greedy ids that another program computed for a model file:
//   NAME.json        the prompt ids, the greedy ids that follow them, and the smallest gap between
//                    the largest and the second largest logit at those greedy ids
//   NAME.logits.f32  little-endian float32 [prompt ids, vocabulary]
#ifndef RECYCLING_TESTS_VERIFIER_FORWARD_GOLDEN_FILES_H_
#define RECYCLING_TESTS_VERIFIER_FORWARD_GOLDEN_FILES_H_

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/decoding/token_id.h"

namespace recycling::verifier {

struct Golden {
  std::string name;
  std::vector<TokenId> ids;     // of the prompt
  std::vector<TokenId> greedy;  // after the prompt
  float margin = 0;  // smallest gap between the largest and the second largest logit at `greedy`
  std::vector<float> logits;  // [ids, vocab]
};

inline std::vector<Golden> ReadGoldens(const std::filesystem::path& folder,
                                       const std::string& prefix) {
  std::vector<Golden> goldens;
  std::error_code none;  // if there is no folder, there are no goldens
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    const std::filesystem::path path = entry.path();
    if (path.extension() != ".json" || path.filename().string().rfind(prefix, 0) != 0) continue;
    std::ifstream file(path);
    const auto json = nlohmann::json::parse(file);
    Golden golden;
    golden.name = path.stem().string();
    golden.ids = json.at(json.contains("ids") ? "ids" : "prompt").get<std::vector<TokenId>>();
    golden.greedy = json.at("greedy").get<std::vector<TokenId>>();
    golden.margin = json.at(json.contains("min_margin") ? "min_margin" : "min_greedy_margin");
    std::ifstream logits(std::filesystem::path(path).replace_extension(".logits.f32"),
                         std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(logits), {});
    golden.logits.resize(bytes.size() / sizeof(float));
    std::memcpy(golden.logits.data(), bytes.data(), golden.logits.size() * sizeof(float));
    goldens.push_back(std::move(golden));
  }
  return goldens;
}

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_FORWARD_GOLDEN_FILES_H_
