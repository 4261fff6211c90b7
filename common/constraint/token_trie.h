// The texts of a vocabulary as a tree of bytes.
#ifndef RECYCLING_COMMON_CONSTRAINT_TOKEN_TRIE_H_
#define RECYCLING_COMMON_CONSTRAINT_TOKEN_TRIE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/decoding/token_id.h"

namespace recycling::constraint {

// Immutable. Threads: any.
//
// Nodes are numbered in preorder, so the nodes below a node follow it.
class TokenTrie {
 public:
  struct Node {
    std::uint8_t byte = 0;           // that leads here; of the root, none
    std::uint32_t depth = 0;         // bytes from the root
    std::uint32_t height = 0;        // bytes of the longest text below
    std::uint32_t end = 0;           // the first node that is not below
    std::uint32_t first_token = 0;   // in tokens(): those that end here,
    std::uint32_t after_tokens = 0;  // and, from here on, those of the nodes below
  };

  // The text of token i is texts[i]. Tokens without text are not in the trie.
  explicit TokenTrie(const std::vector<std::string>& texts);

  const std::vector<Node>& nodes() const { return nodes_; }
  // All tokens in the order of their texts.
  const std::vector<TokenId>& tokens() const { return tokens_; }
  std::span<const TokenId> TokensAt(std::size_t node) const {
    return std::span(tokens_).subspan(nodes_[node].first_token,
                                      nodes_[node].after_tokens - nodes_[node].first_token);
  }
  // Those that end at a node or below it.
  std::span<const TokenId> TokensFrom(std::size_t node) const {
    const std::size_t end = nodes_[node].end;
    const std::size_t last = end < nodes_.size() ? nodes_[end].first_token : tokens_.size();
    return std::span(tokens_).subspan(nodes_[node].first_token, last - nodes_[node].first_token);
  }
  std::size_t vocabulary() const { return vocabulary_; }
  // Bytes of the longest text.
  std::uint32_t height() const { return nodes_[0].height; }

 private:
  std::vector<Node> nodes_;
  std::vector<TokenId> tokens_;
  std::size_t vocabulary_;
};

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_TOKEN_TRIE_H_
