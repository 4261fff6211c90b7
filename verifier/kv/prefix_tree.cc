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
  std::uint64_t idle_since = 0;     // the number of the release
  // The same of the window part.
  bool has_window_part = false;
  std::size_t window_part_holders = 0;
  std::list<Node*>::iterator idle_window_part;
  std::uint64_t window_part_idle_since = 0;
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
                                  KvRows* rows, bool window_part) {
  auto node = std::make_unique<Node>();
  node->after = after;
  if (after == nullptr) node->tenant = tenant;
  std::copy(tokens.begin(), tokens.end(), node->tokens.begin());
  node->rows = rows;
  node->holders = 1;
  Node* const added = nodes_.insert(std::move(node)).first->get();
  if (window_part) AddWindowPart(added);
  return added;
}

void PrefixTree::Hold(Node* node) {
  if (node->holders++ == 0) idle_.erase(node->idle);
}

void PrefixTree::Release(Node* node) {
  if (--node->holders != 0) return;
  node->idle = idle_.insert(idle_.end(), node);
  node->idle_since = ++releases_;
}

bool PrefixTree::HasWindowPart(const Node& node) { return node.has_window_part; }

void PrefixTree::AddWindowPart(Node* node) {
  node->has_window_part = true;
  node->window_part_holders = 1;
  ++window_parts_;
}

void PrefixTree::HoldWindowPart(Node* node) {
  if (node->window_part_holders++ == 0) idle_window_parts_.erase(node->idle_window_part);
}

void PrefixTree::ReleaseWindowPart(Node* node) {
  if (--node->window_part_holders != 0) return;
  node->idle_window_part = idle_window_parts_.insert(idle_window_parts_.end(), node);
  node->window_part_idle_since = ++releases_;
}

KvRows* PrefixTree::RowsOf(const Node& node) { return node.rows; }

std::optional<PrefixTree::Dropped> PrefixTree::DropOldest() {
  if (!idle_window_parts_.empty()) {
    Node* const node = idle_window_parts_.front();
    if (idle_.empty() || node->window_part_idle_since < idle_.front()->idle_since) {
      idle_window_parts_.pop_front();
      node->has_window_part = false;
      --window_parts_;
      return Dropped{.rows = node->rows, .page = false, .window_part = true};
    }
  }
  if (idle_.empty()) return std::nullopt;
  const Node* const node = idle_.front();
  const Dropped dropped = {.rows = node->rows, .page = true, .window_part = node->has_window_part};
  idle_.pop_front();
  if (node->has_window_part) {  // nobody holds it, because nobody holds the page
    idle_window_parts_.erase(node->idle_window_part);
    --window_parts_;
  }
  nodes_.erase(nodes_.find(Key{node->after, node->tenant, node->tokens}));
  return dropped;
}

}  // namespace recycling::verifier
