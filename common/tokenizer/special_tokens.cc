#include "common/tokenizer/special_tokens.h"

namespace recycling {
namespace {

std::uint64_t EdgeKey(std::uint32_t node, unsigned char byte) {
  return (std::uint64_t{node} << 8) | byte;
}

}  // namespace

SpecialTokens::SpecialTokens(const std::vector<std::pair<std::string_view, TokenId>>& tokens)
    : nodes_(1) {
  struct Edge {
    NodeId from;
    NodeId to;
    unsigned char byte;
  };
  std::vector<std::vector<Edge>> levels;  // edges by the depth of their end
  for (const auto& [text, id] : tokens) {
    if (text.empty()) continue;
    if (levels.size() < text.size()) levels.resize(text.size());
    NodeId node = 0;
    for (std::size_t depth = 0; depth < text.size(); ++depth) {
      const auto byte = static_cast<unsigned char>(text[text.size() - 1 - depth]);
      const auto next = static_cast<NodeId>(nodes_.size());
      const auto [edge, added] = edges_.try_emplace(EdgeKey(node, byte), next);
      if (added) {
        levels[depth].push_back({node, next, byte});
        nodes_.emplace_back();
      }
      node = edge->second;
    }
    nodes_[node].length = static_cast<std::uint32_t>(text.size());
    nodes_[node].id = id;
  }
  for (const std::vector<Edge>& level : levels) {
    for (const Edge& edge : level) {
      Node& node = nodes_[edge.to];
      node.suffix = edge.from == 0 ? 0 : Step(nodes_[edge.from].suffix, edge.byte);
      if (node.length > 0) continue;
      node.length = nodes_[node.suffix].length;
      node.id = nodes_[node.suffix].id;
    }
  }
}

SpecialTokens::NodeId SpecialTokens::Step(NodeId node, unsigned char byte) const {
  while (true) {
    const auto edge = edges_.find(EdgeKey(node, byte));
    if (edge != edges_.end()) return edge->second;
    if (node == 0) return 0;
    node = nodes_[node].suffix;
  }
}

std::vector<SpecialTokens::Match> SpecialTokens::Find(std::string_view text) const {
  std::vector<Match> matches;
  if (nodes_.size() == 1) return matches;
  std::vector<NodeId> states(text.size());  // after reading text[i] from the right
  NodeId state = 0;
  for (std::size_t i = text.size(); i-- > 0;) {
    state = Step(state, static_cast<unsigned char>(text[i]));
    states[i] = state;
  }
  for (std::size_t i = 0; i < text.size();) {
    const Node& node = nodes_[states[i]];
    if (node.length > 0) matches.push_back({i, i + node.length, node.id});
    i += node.length > 0 ? node.length : 1;
  }
  return matches;
}

}  // namespace recycling
