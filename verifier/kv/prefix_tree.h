// Which full pages of tokens have keys and values to reuse: a tree of pages for each tenant, found
// by what the tokens are.
//
// Invariants:
//  1. A page is found only after exactly the tokens, from the first one on, that it was computed
//     after: every token of the path is compared, there is no hash.
//  2. Who holds a page holds all pages before it, so a page nobody holds has nobody's behind it.
//  3. The oldest idle page has none behind it: a sequence lets go of its last page first.
#ifndef RECYCLING_VERIFIER_KV_PREFIX_TREE_H_
#define RECYCLING_VERIFIER_KV_PREFIX_TREE_H_

#include <array>
#include <cstddef>
#include <list>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "common/decoding/token_id.h"
#include "verifier/kv/kv_rows.h"

namespace recycling::verifier {

// Owns its nodes, not their rows. Not thread-safe.
class PrefixTree {
 public:
  static constexpr std::size_t kPageTokens = kKvBlockRows;
  using PageTokens = std::span<const TokenId, kPageTokens>;

  struct Node;

  PrefixTree();
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // The page of `tokens` that follows `after`; of the tenant's first pages if `after` is null. Null
  // if there is none. Valid until dropped.
  Node* Find(std::string_view tenant, const Node* after, PageTokens tokens) const;
  // Adds one that Find does not find, held once. `after` must be held or null.
  Node* Add(std::string_view tenant, const Node* after, PageTokens tokens, KvRows* rows);

  // Each Hold is undone by one Release. Release the page behind before the one in front.
  void Hold(Node* node);
  void Release(Node* node);

  static KvRows* RowsOf(const Node& node);

  // Removes the page that nobody has held for the longest time and returns its rows; null if all
  // are held.
  KvRows* DropOldest();

  std::size_t pages() const { return nodes_.size(); }
  std::size_t idle_pages() const { return idle_.size(); }  // held by nobody

 private:
  // What a node is found by.
  struct Key {
    const Node* after;
    std::string_view tenant;  // empty unless after is null
    PageTokens tokens;
  };
  struct Before {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Compare(KeyOf(a), KeyOf(b));
    }
    static Key KeyOf(const std::unique_ptr<Node>& node);
    static const Key& KeyOf(const Key& key) { return key; }
    static bool Compare(const Key& a, const Key& b);
  };

  std::set<std::unique_ptr<Node>, Before> nodes_;
  std::list<Node*> idle_;  // the oldest first
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_PREFIX_TREE_H_
