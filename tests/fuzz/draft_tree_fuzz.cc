// DraftTreeFromProto and ValidateTree must refuse a message or give a tree that stays valid when it
// is cut and does not change when it is converted to a message and back.
#include <algorithm>

#include "common/decoding/draft_tree.h"
#include "common/rpc/proto_convert.h"
#include "tests/fuzz/proto_fuzz.h"

using recycling::DraftTree;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto proto = recycling::fuzz::ParseInput<recycling::common::v1::DraftTree>(data, size);
  const auto tree = recycling::DraftTreeFromProto(proto);
  if (!tree.ok()) return 0;
  constexpr std::uint32_t kVocab = 512;
  constexpr int kMaxNodes = 80;
  if (!recycling::ValidateTree(*tree, kVocab, kMaxNodes).ok()) return 0;

  const auto depths = recycling::NodeDepths(*tree);
  FUZZ_CHECK(depths.size() == tree->tokens.size());
  const int deepest = *std::max_element(depths.begin(), depths.end());
  const DraftTree cut = recycling::CutTree(*tree, tree->drafted() / 2, (deepest + 1) / 2);
  FUZZ_CHECK(recycling::ValidateTree(cut, kVocab, tree->drafted() / 2).ok());
  FUZZ_CHECK(recycling::CutTree(*tree, kMaxNodes, deepest) == *tree);

  recycling::common::v1::DraftTree back;
  recycling::DraftTreeToProto(*tree, &back);
  const auto again = recycling::DraftTreeFromProto(back);
  FUZZ_CHECK(again.ok() && *again == *tree);
  return 0;
}
