// Finds pages whose keys and values can be reused. Each tenant has a tree of full pages of tokens.
//
// Invariants:
// 1. A page is found only if it was computed from the same tokens: all tokens before it and all
//    tokens in it are compared. There is no hash.
// 2. A sequence that holds a page holds all pages before it. A page that no sequence holds is
//    idle; so all pages after an idle page are idle too.
// 3. No page follows the oldest idle page, because a sequence releases its last page first.
// 4. The window part of a page is the numbers of the layers with a window. It can be absent, and
//    sequences hold it separately. A sequence that holds it holds the page. If the model has no
//    such layers, no page has a window part.
#ifndef RECYCLING_VERIFIER_KV_PREFIX_TREE_H_
#define RECYCLING_VERIFIER_KV_PREFIX_TREE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
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
  // If `window_part`, `rows` has the window part, which is held once too.
  Node* Add(std::string_view tenant, const Node* after, PageTokens tokens, KvRows* rows,
            bool window_part);

  // Release undoes one Hold. Release a page before you release the page that it follows.
  void Hold(Node* node);
  void Release(Node* node);

  static KvRows* RowsOf(const Node& node);

  // The window part of a page. AddWindowPart says that the rows of the page have it from now on,
  // and holds it once. HoldWindowPart needs a page that has it; ReleaseWindowPart undoes one Hold.
  // Release it before you release the page.
  static bool HasWindowPart(const Node& node);
  void AddWindowPart(Node* node);
  void HoldWindowPart(Node* node);
  void ReleaseWindowPart(Node* node);

  // What DropOldest has removed.
  struct Dropped {
    KvRows* rows;
    bool page;  // the page itself; if false, only its window part
    bool window_part;
  };
  // Removes the page or the window part that no sequence has held for the longest time. Returns no
  // value if all are held.
  std::optional<Dropped> DropOldest();

  std::size_t pages() const { return nodes_.size(); }
  std::size_t idle_pages() const { return idle_.size(); }  // pages that no sequence holds
  std::size_t window_parts() const { return window_parts_; }
  std::size_t idle_window_parts() const { return idle_window_parts_.size(); }

 private:
  struct Holders;

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
  // The oldest first.
  std::list<Node*> idle_;
  std::list<Node*> idle_window_parts_;
  std::size_t window_parts_ = 0;
  std::uint64_t releases_ = 0;  // so far
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_PREFIX_TREE_H_
