#include "common/constraint/token_masks.h"

#include <algorithm>
#include <bit>
#include <map>
#include <string_view>

namespace recycling::constraint {
namespace {

constexpr std::size_t kMostPlaceBytes = 32 << 20;

}  // namespace

void TokenMask::Add(const TokenMask& other) {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

std::size_t TokenMask::size() const {
  std::size_t size = 0;
  for (const std::uint64_t word : words_) size += static_cast<std::size_t>(std::popcount(word));
  return size;
}

std::size_t TokenMasks::PlaceMask::bytes() const {
  std::size_t bytes = inside.words().size() * 8 + leaves_below.size() / 8;
  for (const auto& [text, tokens] : leaving) bytes += 64 + text.size() + tokens.size() * 4;
  return bytes;
}

TokenMasks::TokenMasks(std::shared_ptr<const Grammar> grammar,
                       std::shared_ptr<const TokenTrie> trie, std::size_t most_bytes)
    : grammar_(std::move(grammar)), trie_(std::move(trie)), most_bytes_(most_bytes) {}

TokenMask TokenMasks::Of(Matcher& matcher, StateId state) {
  TokenMask result(trie_->vocabulary());
  for (Matcher::PlaceInState& one : matcher.PlacesOf(state)) {
    std::shared_ptr<const PlaceMask> mask;
    {
      MutexLock lock(mutex_);
      mask = MaskOf(Shorten(std::move(one.place)));
    }
    result.Add(mask->inside);
    AddLeaving(*mask, matcher, one.outside, result);
  }
  return result;
}

Matcher::Place TokenMasks::Shorten(Matcher::Place place) const {
  for (Matcher::PlaceCall& call : place.calls) {
    call.least = std::min(call.least, trie_->height());
    if (call.most > trie_->height()) call.most = kUnbounded;
  }
  return place;
}

std::shared_ptr<const TokenMasks::PlaceMask> TokenMasks::MaskOf(const Matcher::Place& place) {
  const auto known = masks_.find(place);
  if (known != masks_.end()) return known->second;
  // With bounds, only few tokens differ from the mask without them.
  Matcher::Place unbounded = place;
  for (Matcher::PlaceCall& call : unbounded.calls) {
    call.least = 0;
    call.most = kUnbounded;
  }
  std::shared_ptr<const PlaceMask> base;
  if (!(unbounded == place) && LeavesByBounds(place)) base = MaskOf(unbounded);
  if (bytes_ > most_bytes_) {
    masks_.clear();
    bytes_ = 0;
  }
  if (places_ == nullptr || places_->bytes() > kMostPlaceBytes / 2) ForgetPlaces();
  std::shared_ptr<const PlaceMask> mask = Walk(place, base.get());
  if (places_->overflowed()) {
    // A mask must not depend on what came before. So it is made again from nothing.
    ForgetPlaces();
    mask = Walk(place, base.get());
    ForgetPlaces();
  }
  bytes_ += mask->bytes();
  masks_.emplace(place, mask);
  return mask;
}

void TokenMasks::ForgetPlaces() { places_ = std::make_unique<Matcher>(grammar_, kMostPlaceBytes); }

// A call that needs more texts may end too early within a token. The base marks only the tokens
// that leave the whole place. So the call must be the outermost one, and one byte after it must end
// the place, as the quotation mark after the characters of a JSON string does.
bool TokenMasks::LeavesByBounds(const Matcher::Place& place) const {
  for (std::size_t i = 0; i < place.calls.size(); ++i) {
    if (place.calls[i].least == 0) continue;
    if (i + 1 < place.calls.size()) return false;
    NodeId node = grammar_->call(place.calls[i].call).target;
    for (int step = 0; step < 8 && grammar_->byte_edges(node).empty(); ++step) {
      if (!grammar_->calls(node).empty() || grammar_->is_end(node) ||
          grammar_->free_edges(node).size() != 1) {
        return false;
      }
      node = grammar_->free_edges(node)[0];
    }
    if (!grammar_->free_edges(node).empty() || !grammar_->calls(node).empty()) return false;
    for (const Grammar::ByteEdge& edge : grammar_->byte_edges(node)) {
      if (!LeadsToEnd(edge.target)) return false;
    }
  }
  return true;
}

// Whether only the end of the rule follows, without a byte.
bool TokenMasks::LeadsToEnd(NodeId node) const {
  for (int step = 0; step < 8; ++step) {
    if (!grammar_->byte_edges(node).empty() || !grammar_->calls(node).empty()) return false;
    if (grammar_->free_edges(node).empty()) return grammar_->is_end(node);
    if (grammar_->free_edges(node).size() != 1 || grammar_->is_end(node)) return false;
    node = grammar_->free_edges(node)[0];
  }
  return false;
}

std::shared_ptr<TokenMasks::PlaceMask> TokenMasks::Walk(const Matcher::Place& place,
                                                        const PlaceMask* unbounded) {
  auto mask = std::make_shared<PlaceMask>(trie_->vocabulary());
  const std::vector<TokenTrie::Node>& nodes = trie_->nodes();
  std::uint32_t most = kUnbounded;  // a token of at most so many bytes breaks no bound
  if (unbounded != nullptr) {
    mask->inside = unbounded->inside;
    for (const Matcher::PlaceCall& call : place.calls) most = std::min(most, call.most);
  } else {
    mask->leaves_below.resize(nodes.size(), false);
  }
  std::map<std::string, std::vector<TokenId>> leaving;
  std::vector<StateId> states = {places_->StateOf(place)};  // by depth
  std::vector<std::size_t> path = {0};                      // nodes by depth
  for (std::size_t node = 1; node < nodes.size();) {
    const TokenTrie::Node& here = nodes[node];
    if (unbounded != nullptr && !unbounded->leaves_below[node] &&
        here.depth + here.height <= most) {
      node = here.end;  // all tokens here are as without bounds
      continue;
    }
    states.resize(here.depth);
    path.resize(here.depth);
    const StateId state = places_->Next(states.back(), here.byte);
    if (state == kDead) {
      if (unbounded != nullptr) {
        for (const TokenId token : trie_->TokensFrom(node)) mask->inside.Remove(token);
      }
      node = here.end;
      continue;
    }
    states.push_back(state);
    path.push_back(node);
    for (const TokenId token : trie_->TokensAt(node)) mask->inside.Add(token);
    if (places_->leaves(state)) {
      if (unbounded == nullptr) {
        for (const std::size_t above : path) mask->leaves_below[above] = true;
      }
      AddBelow(node, leaving);
    }
    ++node;
  }
  mask->leaving.assign(leaving.begin(), leaving.end());
  return mask;
}

// Adds the tokens below `node`, by their texts from there on.
void TokenMasks::AddBelow(std::size_t node,
                          std::map<std::string, std::vector<TokenId>>& leaving) const {
  const std::vector<TokenTrie::Node>& nodes = trie_->nodes();
  std::string text;
  for (std::size_t below = node + 1; below < nodes[node].end; ++below) {
    text.resize(nodes[below].depth - nodes[node].depth - 1);
    text.push_back(static_cast<char>(nodes[below].byte));
    const auto tokens = trie_->TokensAt(below);
    if (tokens.empty()) continue;
    std::vector<TokenId>& known = leaving[text];
    known.insert(known.end(), tokens.begin(), tokens.end());
  }
}

void TokenMasks::AddLeaving(const PlaceMask& mask, Matcher& matcher, StateId outside,
                            TokenMask& to) {
  if (outside == kDead || matcher.is_last(outside)) return;
  std::vector<StateId> states = {outside};  // after each byte of `before`
  std::string_view before;
  for (const auto& [text, tokens] : mask.leaving) {
    const auto differs = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    std::size_t depth = static_cast<std::size_t>(differs.first - before.begin());
    depth = std::min(depth, states.size() - 1);
    states.resize(depth + 1);
    while (states.back() != kDead && depth < text.size()) {
      states.push_back(matcher.Next(states.back(), static_cast<std::uint8_t>(text[depth++])));
    }
    before = std::string_view(text).substr(0, states.size() - 1);
    if (states.back() == kDead) continue;
    for (const TokenId token : tokens) to.Add(token);
  }
}

}  // namespace recycling::constraint
