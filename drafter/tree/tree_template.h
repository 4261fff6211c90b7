// The shape of a draft tree, without tokens: which (parent, rank) pairs it may have. Node i stands
// for "the rank-th candidate of its parent's token".
#ifndef RECYCLING_DRAFTER_TREE_TREE_TEMPLATE_H_
#define RECYCLING_DRAFTER_TREE_TREE_TEMPLATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling::drafter {

inline constexpr int kMaxTemplateNodes = 1024;  // beside the root
inline constexpr int kMaxTemplateDepth = 32;

// Immutable. Invariants: node 0 is the root; parents stand before children; nodes are in
// breadth-first order, siblings by ascending rank; (parent, rank) pairs are distinct.
class TreeTemplate {
 public:
  struct Node {
    int parent = -1;
    std::uint32_t rank = 0;  // [0, kMaxK)
    int depth = 0;           // the root's is 0

    bool operator==(const Node&) const = default;
  };

  // The paper's tree: 80 nodes, levels 8 / 21 / 25 / 15 / 8 / 3. Named "paper-80".
  static const TreeTemplate& Paper80();

  // Reads the text form that README.md describes. InvalidArgument, with the number of the line, for
  // an unknown word, a rank above 63, a path without its parent, a path that is given twice, more
  // nodes or levels than the limits above, no name, or no path.
  static absl::StatusOr<TreeTemplate> Parse(std::string_view text);

  // Parse() of the file at `path`. Every error begins with that name. NotFound or PermissionDenied
  // if the file cannot be read, InvalidArgument if it has more than 1 MiB.
  static absl::StatusOr<TreeTemplate> Load(const std::string& path);

  // 1 to 64 of the characters [A-Za-z0-9_.-].
  const std::string& name() const { return name_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  // Nodes beside the root.
  int size() const { return static_cast<int>(nodes_.size()) - 1; }

 private:
  using Path = std::vector<std::uint32_t>;  // ranks from the root

  // `paths` are distinct, and the parent of each path is among them.
  TreeTemplate(std::string name, std::vector<Path> paths);
  friend class TemplateParser;

  std::string name_;
  std::vector<Node> nodes_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_TREE_TEMPLATE_H_
