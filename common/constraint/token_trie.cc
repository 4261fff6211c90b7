#include "common/constraint/token_trie.h"

#include <algorithm>
#include <numeric>

namespace recycling::constraint {

TokenTrie::TokenTrie(const std::vector<std::string>& texts) : vocabulary_(texts.size()) {
  for (std::size_t id = 0; id < texts.size(); ++id) {
    if (!texts[id].empty()) tokens_.push_back(static_cast<TokenId>(id));
  }
  std::sort(tokens_.begin(), tokens_.end(), [&](TokenId a, TokenId b) {
    const int order = texts[a].compare(texts[b]);
    return order != 0 ? order < 0 : a < b;
  });
  nodes_.emplace_back();
  std::vector<std::uint32_t> path = {0};  // the nodes of the last text
  std::string_view before;
  const auto leave = [&](std::size_t depth) {
    for (; path.size() > depth + 1; path.pop_back()) {
      nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
      Node& parent = nodes_[path[path.size() - 2]];
      parent.height = std::max(parent.height, nodes_[path.back()].height + 1);
    }
  };
  for (std::uint32_t rank = 0; rank < tokens_.size(); ++rank) {
    const std::string_view text = texts[tokens_[rank]];
    const auto differs = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    const auto common = static_cast<std::size_t>(differs.first - before.begin());
    leave(common);
    for (std::size_t depth = common; depth < text.size(); ++depth) {
      path.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({.byte = static_cast<std::uint8_t>(text[depth]),
                        .depth = static_cast<std::uint32_t>(depth) + 1,
                        .first_token = rank,
                        .after_tokens = rank});
    }
    nodes_[path.back()].after_tokens = rank + 1;
    before = text;
  }
  leave(0);
  nodes_[0].end = static_cast<std::uint32_t>(nodes_.size());
}

}  // namespace recycling::constraint
