// The shape of a template tree, without tokens. Each node is a pair (parent, rank): it stands for
// the candidate with this rank after the parent's token.
#ifndef RECYCLING_DRAFTER_TREE_TREE_TEMPLATE_H_
#define RECYCLING_DRAFTER_TREE_TREE_TEMPLATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling::drafter {

inline constexpr int kMaxTemplateNodes = 1024;  // without the root
inline constexpr int kMaxTemplateDepth = 32;

// Immutable. Invariants: node 0 is the root. Nodes are in breadth-first order, so a parent stands
// before its children. Siblings are in ascending order of rank. All (parent, rank) pairs are
// distinct.
class TreeTemplate {
 public:
  struct Node {
    int parent = -1;
    std::uint32_t rank = 0;  // [0, kMaxK)
    int depth = 0;           // 0 for the root

    bool operator==(const Node&) const = default;
  };

  // The paper's tree, with the name "paper-80". Its levels have 8, 21, 25, 15, 8 and 3 nodes, 80
  // together.
  static const TreeTemplate& Paper80();

  // Reads the text format that README.md describes. Returns InvalidArgument, with the number of the
  // line, for an unknown word, a rank above 63, a path without its parent, a path that occurs
  // twice, more nodes or levels than the limits above, a missing name, or a text without paths.
  static absl::StatusOr<TreeTemplate> Parse(std::string_view text);

  // Reads the file at `path` and parses it. Every error message contains `path`. Returns the errors
  // of Parse, NotFound or PermissionDenied if the file cannot be opened, Unavailable if it cannot
  // be read, and InvalidArgument if it has more than 1 MiB.
  static absl::StatusOr<TreeTemplate> Load(const std::string& path);

  // The name of the template: 1 to 64 of the characters [A-Za-z0-9_.-].
  const std::string& name() const { return name_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  // The number of nodes, without the root.
  int size() const { return static_cast<int>(nodes_.size()) - 1; }

 private:
  using Path = std::vector<std::uint32_t>;  // ranks from the root

  // Requires distinct paths, and for each path also its parent.
  TreeTemplate(std::string name, std::vector<Path> paths);
  friend class TemplateParser;

  std::string name_;
  std::vector<Node> nodes_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_TREE_TEMPLATE_H_
