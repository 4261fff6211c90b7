// Finds pages whose keys and values can be reused. Each tenant has a tree of full pages of tokens.
//
// Invariants:
// 1. A page is found only if it was computed from the same tokens: all tokens before it and all
//    tokens in it are compared. There is no hash.
// 2. A sequence that holds a page holds all pages before it. A page that no sequence holds is
//    idle; so all pages after an idle page are idle too.
// 3. No page follows the oldest idle page, because a sequence releases its last page first.
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

// Owns its nodes but not their rows. Not thread-safe.
class PrefixTree {
 public:
  static constexpr std::size_t kPageTokens = kKvBlockRows;
  using PageTokens = std::span<const TokenId, kPageTokens>;

  struct Node;

  PrefixTree();
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // Returns the page with `tokens` that follows the page `after`; if `after` is null, the first
  // page of the tenant with `tokens`. Returns null if there is no such page. The result is valid
  // until the page is dropped.
  Node* Find(std::string_view tenant, const Node* after, PageTokens tokens) const;
  // Adds a page and holds it once. Find must not have found the page. `after` must be held or null.
  Node* Add(std::string_view tenant, const Node* after, PageTokens tokens, KvRows* rows);

  // Release undoes one Hold. Release a page before you release the page that it follows.
  void Hold(Node* node);
  void Release(Node* node);

  static KvRows* RowsOf(const Node& node);

  // Removes the page that no sequence has held for the longest time and returns its rows. Returns
  // null if all pages are held.
  KvRows* DropOldest();

  std::size_t pages() const { return nodes_.size(); }
  std::size_t idle_pages() const { return idle_.size(); }  // pages that no sequence holds

 private:
  // The key of a node.
  struct Key {
    const Node* after;
    std::string_view tenant;  // only of a first page (after is null); otherwise empty
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
