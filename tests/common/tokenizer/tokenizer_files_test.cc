// Compares the token ids of real vocabularies with those of the reference implementation.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "common/tokenizer/tokenizer.h"
#include "verifier/model/gguf_file.h"
#include "verifier/model/tokenizer_data.h"

namespace recycling {
namespace {

constexpr char kSeparator[] = "\n__ggml_vocab_test__\n";

std::filesystem::path TokenizerFolder() {
  const char* shared = std::getenv("RECYCLING_SHARED");
  const char* source = std::getenv("RECYCLING_SOURCE_DIR");
  const std::filesystem::path root =
      shared != nullptr ? shared
                        : std::filesystem::path(source != nullptr ? source : ".") / "../shared";
  return root / "tokenizers";
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<std::string> ReadInputs(const std::filesystem::path& path) {
  std::vector<std::string> inputs;
  const std::string text = ReadFile(path);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find(kSeparator, begin);
    if (end == std::string::npos) break;
    inputs.push_back(text.substr(begin, end - begin));
    begin = end + sizeof(kSeparator) - 1;
  }
  return inputs;
}

std::vector<std::vector<TokenId>> ReadIds(const std::filesystem::path& path) {
  std::vector<std::vector<TokenId>> lines;
  std::istringstream file(ReadFile(path));
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    lines.emplace_back(std::istream_iterator<TokenId>(words), std::istream_iterator<TokenId>());
  }
  return lines;
}

class TokenizerFilesTest : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerFilesTest, GivesTheReferenceIdsAndTheTextBack) {
  const std::filesystem::path model = TokenizerFolder() / GetParam();
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no reference file " << model;
  const auto file = verifier::GgufFile::Open(model);
  ASSERT_TRUE(file.ok()) << file.status();
  auto data = verifier::ReadTokenizerData(**file);
  ASSERT_TRUE(data.ok()) << data.status();
  const auto tokenizer = Tokenizer::Create(*std::move(data));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();

  const auto inputs = ReadInputs(model.string() + ".inp");
  const auto expected = ReadIds(model.string() + ".out");
  ASSERT_EQ(inputs.size(), 46u);
  ASSERT_EQ(inputs.size(), expected.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto ids = (*tokenizer)->Encode(inputs[i], {.add_special = false});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, expected[i]) << "line " << i << ": " << inputs[i];
    const auto text = (*tokenizer)->Decode(*ids, false);
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(*text, inputs[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerFilesTest,
                         testing::Values("deepseek-coder.gguf", "deepseek-llm.gguf", "falcon.gguf",
                                         "gpt-2.gguf", "llama-bpe.gguf", "llama-spm.gguf",
                                         "qwen2.gguf", "refact.gguf", "starcoder.gguf"));

}  // namespace
}  // namespace recycling
