// A guess of the next tokens as a tree in breadth-first order. Invariants of a valid tree with n
// nodes, root included:
//  1. tokens.size() == parents.size() == n >= 1; ranks, sources and probabilities are empty or of
//  size n.
//  2. parents[0] == -1; for i >= 1: 0 <= parents[i] < i, and parents do not decrease (breadth-first
//  order).
//  3. Siblings hold distinct tokens, so that a path is unique.
//  4. Every token is in [0, vocab_size), every probability in [0, 1].
#ifndef RECYCLING_COMMON_DECODING_DRAFT_TREE_H_
#define RECYCLING_COMMON_DECODING_DRAFT_TREE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "common/decoding/token_id.h"

namespace recycling {

// How the drafter found a node.
enum class DraftSource : std::uint8_t {
  kUnspecified = 0,
  kMatrix = 1,    // the row of the parent's token in the adjacency matrix
  kSequence = 2,  // a token that followed the same tokens earlier in the sequence
  kRecent = 3,    // a candidate of the last accepted node
  kPair = 4,      // the row of the parent's token and the token before it
};
inline constexpr std::size_t kDraftSources = 5;

// "matrix", "sequence", "recent", "pair", or "unnamed".
const char* DraftSourceName(DraftSource source);

// A set of sources: bit s is set if the source with the value s is in it.
using DraftSourceSet = std::uint8_t;
constexpr DraftSourceSet SetOf(DraftSource source) {
  return static_cast<DraftSourceSet>(1U << static_cast<unsigned>(source));
}

// Top-k candidates of consecutive rows, from raw logits: highest first, ties by lower id.
struct Candidates {
  std::uint32_t k = 0;
  std::vector<TokenId> ids;  // [rows, k], row-major

  bool operator==(const Candidates&) const = default;
};

struct DraftTree {
  // Number of committed tokens that this tree continues, root included. A node at depth d has the
  // absolute position base - 1 + d.
  std::uint32_t base = 0;
  std::vector<TokenId> tokens;        // [n]; tokens[0] is the root, the last committed token
  std::vector<std::int32_t> parents;  // [n]; parents[0] == -1
  std::vector<std::uint32_t>
      ranks;  // [n] or empty; candidate rank under the parent, 0 for the root
  std::vector<DraftSourceSet> sources;  // [n] or empty; all that proposed the node; 0 for the root
  // [n] or empty. The drafter's estimate that the model chooses the node if it accepts the parent;
  // 1 for the root.
  std::vector<float> probabilities;

  // A tree that holds `root` alone.
  static DraftTree Root(std::uint32_t base, TokenId root);

  int size() const { return static_cast<int>(tokens.size()); }
  int drafted() const { return size() - 1; }

  bool operator==(const DraftTree&) const = default;
};

// OK if the invariants above hold and the tree has at most max_nodes nodes beside the root. Else
// InvalidArgument that says what was wrong, what came and what was expected. O(n log n).
absl::Status ValidateTree(const DraftTree& tree, std::uint32_t vocab_size, int max_nodes);

// Depth of every node, [n]. The root's depth is 0. Requires a valid tree.
std::vector<int> NodeDepths(const DraftTree& tree);

// Removes the nodes deeper than max_depth. Of the other nodes it keeps the root and the first
// max_nodes after it. The parent of a kept node is kept too, so a valid tree stays valid.
DraftTree CutTree(DraftTree tree, int max_nodes, int max_depth);

}  // namespace recycling

#endif  // RECYCLING_COMMON_DECODING_DRAFT_TREE_H_
