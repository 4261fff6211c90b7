// Draft trees for tests that compare drafted with plain decoding.
#ifndef RECYCLING_TESTS_VERIFIER_FORWARD_RANDOM_TREE_H_
#define RECYCLING_TESTS_VERIFIER_FORWARD_RANDOM_TREE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"

namespace recycling::verifier {

// Returns a valid tree of at most max_nodes nodes and a root. The root is the last token of
// `so_far`. `truth` are the tokens that plain decoding gives after `so_far`. If the path to a node
// agrees with `truth`, about half of the node's children get the next token of `truth`. All other
// tokens are random.
inline DraftTree RandomTree(const std::vector<TokenId>& so_far, const std::vector<TokenId>& truth,
                            std::uint32_t vocab_size, std::size_t max_nodes, std::mt19937& random) {
  DraftTree tree = DraftTree::Root(static_cast<std::uint32_t>(so_far.size()), so_far.back());
  // For each node, how many tokens of `truth` its path has; truth.size() if the path disagrees with
  // `truth`.
  std::vector<std::size_t> true_tokens = {0};
  for (std::size_t parent = 0; parent < tree.tokens.size(); ++parent) {
    const std::size_t depth = true_tokens[parent];
    const bool on_path = depth < truth.size();
    std::vector<TokenId> children;
    for (std::size_t child = random() % 4; child > 0; --child) {
      const auto garbage = static_cast<TokenId>(random() % vocab_size);
      const TokenId token = on_path && random() % 2 == 0 ? truth[depth] : garbage;
      if (tree.tokens.size() > max_nodes) break;
      if (std::count(children.begin(), children.end(), token) > 0) continue;
      children.push_back(token);
      tree.tokens.push_back(token);
      tree.parents.push_back(static_cast<std::int32_t>(parent));
      true_tokens.push_back(on_path && token == truth[depth] ? depth + 1 : truth.size());
    }
  }
  return tree;
}

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_FORWARD_RANDOM_TREE_H_
