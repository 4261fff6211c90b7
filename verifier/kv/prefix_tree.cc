#include "verifier/kv/prefix_tree.h"

#include <algorithm>
#include <functional>

namespace recycling::verifier {

struct PrefixTree::Node {
  const Node* after = nullptr;
  std::string tenant;  // only of a first page (after is null); otherwise empty
  std::array<TokenId, kPageTokens> tokens = {};
  KvRows* rows = nullptr;
  std::size_t holders = 0;
  std::list<Node*>::iterator idle;  // its place in idle_ while no sequence holds it
};

PrefixTree::PrefixTree() = default;
PrefixTree::~PrefixTree() = default;

PrefixTree::Key PrefixTree::Before::KeyOf(const std::unique_ptr<Node>& node) {
  return {node->after, node->tenant, node->tokens};
}

bool PrefixTree::Before::Compare(const Key& a, const Key& b) {
  if (a.after != b.after) return std::less<>()(a.after, b.after);
  if (a.tenant != b.tenant) return a.tenant < b.tenant;
  return std::lexicographical_compare(a.tokens.begin(), a.tokens.end(), b.tokens.begin(),
                                      b.tokens.end());
}

PrefixTree::Node* PrefixTree::Find(std::string_view tenant, const Node* after,
                                   PageTokens tokens) const {
  const auto it = nodes_.find(Key{after, after == nullptr ? tenant : "", tokens});
  return it == nodes_.end() ? nullptr : it->get();
}

PrefixTree::Node* PrefixTree::Add(std::string_view tenant, const Node* after, PageTokens tokens,
                                  KvRows* rows) {
  auto node = std::make_unique<Node>();
  node->after = after;
  if (after == nullptr) node->tenant = tenant;
  std::copy(tokens.begin(), tokens.end(), node->tokens.begin());
  node->rows = rows;
  node->holders = 1;
  return nodes_.insert(std::move(node)).first->get();
}

void PrefixTree::Hold(Node* node) {
  if (node->holders++ == 0) idle_.erase(node->idle);
}

void PrefixTree::Release(Node* node) {
  if (--node->holders == 0) node->idle = idle_.insert(idle_.end(), node);
}

KvRows* PrefixTree::RowsOf(const Node& node) { return node.rows; }

KvRows* PrefixTree::DropOldest() {
  if (idle_.empty()) return nullptr;
  const Node* const node = idle_.front();
  idle_.pop_front();
  KvRows* const rows = node->rows;
  nodes_.erase(nodes_.find(Key{node->after, node->tenant, node->tokens}));
  return rows;
}

}  // namespace recycling::verifier
