// Replays the trace of record_trace.py, an independent implementation of the loop that ran on a
// real model. The trace is text with one item in each line:
//   vocab V k K
// For each step, in this order:
//   step BASE ROOT
//   tokens T...        the tokens of the expected tree
//   parents P...       the parents of the expected tree
//   row C...           the candidates of a node; one line for each node
//   path I...          accepted nodes, root first
//   matrix HEX         FNV-1a of the whole matrix after learning
// At the end, for each filled row:
//   final TOKEN C...
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "drafter/sources/observation.h"
#include "drafter/tree/tree_builder.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

template <typename T>
std::vector<T> Numbers(std::istream& in) {
  std::vector<T> numbers;
  for (T number; in >> number;) numbers.push_back(number);
  return numbers;
}

std::vector<TokenId> Row(const AdjacencyMatrix& matrix, TokenId token) {
  std::vector<TokenId> row(matrix.k());
  row.resize(matrix.ReadRow(token, row));
  return row;
}

std::string Digest(const AdjacencyMatrix& matrix) {
  std::uint64_t digest = 0xcbf29ce484222325;
  const auto add = [&digest](std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) {
      digest = (digest ^ ((word >> shift) & 0xff)) * 0x100000001b3;
    }
  };
  for (TokenId token = 0; token < matrix.vocab_size(); ++token) {
    const std::vector<TokenId> row = Row(matrix, token);
    add(static_cast<std::uint32_t>(row.size()));
    for (const TokenId id : row) add(id);
  }
  return absl::StrFormat("%016x", digest);
}

TEST(TraceReplayTest, EveryTreeAndEveryRowEqualsTheTrace) {
  const char* const source = std::getenv("RECYCLING_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "RECYCLING_SOURCE_DIR is not set; run through ctest";
  std::ifstream file(absl::StrCat(source, "/tests/drafter/tree/testdata/stories260k_trace.txt"));
  ASSERT_TRUE(file.is_open());
  std::string line, word, k_word;
  std::uint32_t vocab = 0, k = 0;
  ASSERT_TRUE(file >> word >> vocab >> k_word >> k && word == "vocab" && k_word == "k");
  AdjacencyMatrix matrix(vocab, k);
  DraftTree tree;
  Observation step;
  int steps = 0, final_rows = 0;
  std::uint32_t largest_tree = 0;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    if (!(in >> word)) continue;
    if (word == "step") {
      const std::vector<TokenId> base_and_root = Numbers<TokenId>(in);
      tree = BuildTree(matrix, base_and_root.at(1), TreeTemplate::Paper80(), 80, 6);
      ASSERT_THAT(ValidateTree(tree, vocab, 80), doubles::IsOk());
      largest_tree = std::max(largest_tree, static_cast<std::uint32_t>(tree.drafted()));
      step = {.tokens = tree.tokens, .candidates = {k, {}}};
      ++steps;
    } else if (word == "tokens") {
      ASSERT_EQ(tree.tokens, Numbers<TokenId>(in)) << "step " << steps;
    } else if (word == "parents") {
      ASSERT_EQ(tree.parents, Numbers<std::int32_t>(in)) << "step " << steps;
    } else if (word == "row") {
      for (const TokenId id : Numbers<TokenId>(in)) step.candidates.ids.push_back(id);
    } else if (word == "path") {
      step.accepted_path = Numbers<std::uint32_t>(in);
      ASSERT_THAT(ValidateObservation(step, vocab, k), doubles::IsOk());
      Learn(step, &matrix);
    } else if (word == "matrix") {
      in >> word;
      ASSERT_EQ(Digest(matrix), word) << "step " << steps;
    } else {
      ASSERT_EQ(word, "final");
      std::vector<TokenId> row = Numbers<TokenId>(in);
      const TokenId token = row.at(0);
      row.erase(row.begin());
      ASSERT_EQ(Row(matrix, token), row) << "token " << token;
      ++final_rows;
    }
  }
  EXPECT_EQ(steps, 95);
  EXPECT_EQ(largest_tree, 80u);
  EXPECT_EQ(matrix.rows_filled(), static_cast<std::uint32_t>(final_rows));
}

}  // namespace
}  // namespace recycling::drafter
