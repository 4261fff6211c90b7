#include "verifier/kv/prefix_tree.h"

#include <algorithm>
#include <functional>

namespace recycling::verifier {

// The sequences that hold a page or a window part.
struct PrefixTree::Holders {
  std::size_t count = 0;
  std::list<Node*>::iterator idle;  // its place in the list of idle ones while count is 0
  std::uint64_t idle_since = 0;     // the number of the release

  void Add(std::list<Node*>& all_idle) {
    if (count++ == 0) all_idle.erase(idle);
  }
  // `node` is the node of these holders.
  void Remove(Node* node, std::list<Node*>& all_idle, std::uint64_t& releases) {
    if (--count != 0) return;
    idle = all_idle.insert(all_idle.end(), node);
    idle_since = ++releases;
  }
};

struct PrefixTree::Node {
  const Node* after = nullptr;
  std::string tenant;  // only of a first page (after is null); otherwise empty
  std::array<TokenId, kPageTokens> tokens = {};
  KvRows* rows = nullptr;
  Holders page;
  bool has_window_part = false;
  Holders window_part;
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
  node->page.count = 1;
  Node* const added = nodes_.insert(std::move(node)).first->get();
  if (window_part) AddWindowPart(added);
  return added;
}

void PrefixTree::Hold(Node* node) { node->page.Add(idle_); }

void PrefixTree::Release(Node* node) { node->page.Remove(node, idle_, releases_); }

bool PrefixTree::HasWindowPart(const Node& node) { return node.has_window_part; }

void PrefixTree::AddWindowPart(Node* node) {
  node->has_window_part = true;
  node->window_part.count = 1;
  ++window_parts_;
}

void PrefixTree::HoldWindowPart(Node* node) { node->window_part.Add(idle_window_parts_); }

void PrefixTree::ReleaseWindowPart(Node* node) {
  node->window_part.Remove(node, idle_window_parts_, releases_);
}

KvRows* PrefixTree::RowsOf(const Node& node) { return node.rows; }

std::optional<PrefixTree::Dropped> PrefixTree::DropOldest() {
  if (!idle_window_parts_.empty()) {
    Node* const node = idle_window_parts_.front();
    if (idle_.empty() || node->window_part.idle_since < idle_.front()->page.idle_since) {
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
    idle_window_parts_.erase(node->window_part.idle);
    --window_parts_;
  }
  nodes_.erase(nodes_.find(Key{node->after, node->tenant, node->tokens}));
  return dropped;
}

}  // namespace recycling::verifier
