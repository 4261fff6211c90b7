#include "common/constraint/matcher.h"

#include <algorithm>
#include <bitset>
#include <map>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace recycling::constraint {
namespace {

constexpr std::size_t kMostReturns = 1 << 14;    // of all levels of a state
constexpr std::size_t kMostPositions = 1 << 16;  // of a state
constexpr std::size_t kBytesOfEntry = 48;        // of a hash table, about

std::uint64_t KeyOf(std::uint32_t high, std::uint32_t low) {
  return (std::uint64_t{high} << 32) | low;
}

}  // namespace

struct Matcher::Step {
  State state;
  absl::flat_hash_set<std::uint64_t> seen;  // node and level
  // The returns of the rules that are called now, by the rank of the rule.
  std::map<std::uint32_t, std::pair<RuleId, std::vector<Return>>> called;
  std::size_t returns = 0;
};

Matcher::Matcher(std::shared_ptr<const Grammar> grammar, std::size_t most_bytes)
    : grammar_(std::move(grammar)), most_bytes_(most_bytes) {
  Keep({});  // kDead
  Step step;
  const Grammar::Rule& root = grammar_->rules()[grammar_->root()];
  step.state.accepts = grammar_->empty_text_matches();
  step.called[root.rank] = {grammar_->root(), {{.call = kEnd}}};
  start_ = Finish(step);
}

// Adds a node, and all that free edges lead to. `after_bytes`: the text of the rule so far is not
// empty, so the rule may end.
void Matcher::Add(NodeId node, LevelId level, bool after_bytes, Step& step) {
  std::vector<Position> open = {{.node = node, .level = level}};
  while (!open.empty()) {
    const Position position = open.back();
    open.pop_back();
    if (!step.seen.insert(KeyOf(position.node, position.level)).second) continue;
    if (!grammar_->byte_edges(position.node).empty()) step.state.positions.push_back(position);
    for (const NodeId target : grammar_->free_edges(position.node)) {
      open.push_back({.node = target, .level = position.level});
    }
    std::uint32_t id = grammar_->first_call(position.node);
    for (const Grammar::Call& call : grammar_->calls(position.node)) {
      Enter({.call = id++,
             .least = std::max(call.least, 1u) - 1,
             .most = call.most == kUnbounded ? kUnbounded : call.most - 1,
             .level = position.level},
            step);
    }
    if (after_bytes && grammar_->is_end(position.node)) Leave(position.level, open, step);
  }
}

void Matcher::Leave(LevelId level, std::vector<Position>& open, Step& step) {
  for (const Return& back : levels_[level]) {
    if (back.call == kEnd || back.call == kOutside) {
      (back.call == kEnd ? step.state.accepts : step.state.leaves) = true;
      continue;
    }
    if (back.least == 0) {
      open.push_back({.node = grammar_->call(back.call).target, .level = back.level});
    }
    if (back.most > 0) {
      Return again = back;
      again.least -= std::min(again.least, 1u);
      if (again.most != kUnbounded) --again.most;
      Enter(again, step);
    }
  }
}

StateId Matcher::OutsideOf(LevelId level) {
  const auto known = outside_.find(level);
  if (known != outside_.end()) return known->second;
  Step step;
  std::vector<Position> open;
  Leave(level, open, step);
  for (const Position& position : open) {
    Add(position.node, position.level, /*after_bytes=*/true, step);
  }
  const StateId outside = Finish(step);
  outside_.emplace(level, outside);
  return outside;
}

std::vector<Matcher::PlaceInState> Matcher::PlacesOf(StateId state) {
  std::vector<PlaceInState> places;
  const std::vector<Position> positions = states_[state].positions;
  for (const Position& position : positions) {
    Place place{.node = position.node, .calls = {}};
    LevelId level = position.level;
    while (levels_[level].size() == 1) {
      const Return& back = levels_[level][0];
      if (back.call == kEnd || back.call == kOutside) break;
      if (!grammar_->rules()[grammar_->call(back.call).caller].lexical) break;
      place.calls.push_back({.call = back.call, .least = back.least, .most = back.most});
      level = back.level;
    }
    places.push_back({.place = std::move(place), .outside = OutsideOf(level)});
  }
  return places;
}

StateId Matcher::StateOf(const Place& place) {
  LevelId level = KeepLevel({{.call = kOutside}});
  for (auto call = place.calls.rbegin(); call != place.calls.rend(); ++call) {
    level =
        KeepLevel({{.call = call->call, .least = call->least, .most = call->most, .level = level}});
  }
  return Keep({.positions = {{.node = place.node, .level = level}}});
}

// Notes that a text of the rule of `back` begins here.
void Matcher::Enter(const Return& back, Step& step) {
  const Grammar::Call& call = grammar_->call(back.call);
  auto& [rule, returns] = step.called[grammar_->rules()[call.rule].rank];
  rule = call.rule;
  if (back.least == 0 && back.most == 0 && grammar_->is_last(call.target)) {
    // The calling rule ends with the called one. So the levels of a list do not pile up.
    const std::vector<Return>& outer = levels_[back.level];
    step.returns += outer.size();
    if (step.returns > kMostReturns) return;  // Finish ends the step
    returns.insert(returns.end(), outer.begin(), outer.end());
  } else {
    returns.push_back(back);
    ++step.returns;
  }
}

bool Matcher::Overflows(const Step& step) {
  if (step.returns > kMostReturns || step.state.positions.size() > kMostPositions) {
    overflowed_ = true;
  }
  return overflowed_;
}

StateId Matcher::Finish(Step& step) {
  while (!step.called.empty()) {
    auto next = step.called.begin();
    const RuleId rule = next->second.first;
    std::vector<Return> returns = std::move(next->second.second);
    step.called.erase(next);
    if (Overflows(step)) return kDead;
    const LevelId level = KeepLevel(std::move(returns));
    Add(grammar_->rules()[rule].start, level, /*after_bytes=*/false, step);
  }
  if (Overflows(step)) return kDead;
  std::sort(step.state.positions.begin(), step.state.positions.end());
  return Keep(std::move(step.state));
}

Matcher::LevelId Matcher::KeepLevel(std::vector<Return> returns) {
  std::sort(returns.begin(), returns.end());
  returns.erase(std::unique(returns.begin(), returns.end()), returns.end());
  std::size_t hash = returns.size();
  for (const Return& back : returns) {
    hash = absl::HashOf(hash, back.call, back.least, back.most, back.level);
  }
  std::vector<LevelId>& same = levels_by_hash_[hash];
  for (const LevelId id : same) {
    if (levels_[id] == returns) return id;
  }
  bytes_ += returns.size() * sizeof(Return) + sizeof(returns) + kBytesOfEntry;
  same.push_back(static_cast<LevelId>(levels_.size()));
  levels_.push_back(std::move(returns));
  return same.back();
}

StateId Matcher::Keep(State state) {
  std::vector<StateId>& same = states_by_hash_[absl::HashOf(state)];
  for (const StateId id : same) {
    if (states_[id] == state) return id;
  }
  bytes_ += state.positions.size() * sizeof(Position) + sizeof(state) + kBytesOfEntry;
  same.push_back(static_cast<StateId>(states_.size()));
  states_.push_back(std::move(state));
  return same.back();
}

StateId Matcher::Next(StateId state, std::uint8_t byte) {
  if (states_[state].positions.empty()) return kDead;
  const auto known = next_.find(KeyOf(state, byte));
  if (known != next_.end()) return known->second;
  if (bytes_ > most_bytes_) overflowed_ = true;
  if (overflowed_) return kDead;
  Step step;
  const std::vector<Position> positions = states_[state].positions;
  for (const Position& position : positions) {
    for (const Grammar::ByteEdge& edge : grammar_->byte_edges(position.node)) {
      if (byte < edge.bytes.first || byte > edge.bytes.last) continue;
      Add(edge.target, position.level, /*after_bytes=*/true, step);
    }
  }
  const StateId next = Finish(step);
  bytes_ += kBytesOfEntry;
  next_.emplace(KeyOf(state, byte), next);
  return next;
}

StateId Matcher::Next(StateId state, std::string_view bytes) {
  for (const char byte : bytes) {
    if (state == kDead) return kDead;
    state = Next(state, static_cast<std::uint8_t>(byte));
  }
  return state;
}

std::vector<ByteRange> Matcher::NextBytes(StateId state) const {
  std::bitset<257> begins;  // a range
  std::bitset<256> follows;
  for (const Position& position : states_[state].positions) {
    for (const Grammar::ByteEdge& edge : grammar_->byte_edges(position.node)) {
      begins.set(edge.bytes.first);
      begins.set(std::size_t{edge.bytes.last} + 1);
      for (std::size_t byte = edge.bytes.first; byte <= edge.bytes.last; ++byte) follows.set(byte);
    }
  }
  std::vector<ByteRange> ranges;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if (!follows[byte]) continue;
    const auto value = static_cast<std::uint8_t>(byte);
    if (begins[byte] || ranges.empty()) {
      ranges.push_back({value, value});
    } else {
      ranges.back().last = value;
    }
  }
  return ranges;
}

std::optional<std::uint8_t> Matcher::OnlyByte(StateId state) const {
  if (states_[state].accepts) return std::nullopt;
  std::optional<std::uint8_t> only;
  for (const Position& position : states_[state].positions) {
    for (const Grammar::ByteEdge& edge : grammar_->byte_edges(position.node)) {
      if (edge.bytes.first != edge.bytes.last ||
          only.value_or(edge.bytes.first) != edge.bytes.first) {
        return std::nullopt;
      }
      only = edge.bytes.first;
    }
  }
  return only;
}

}  // namespace recycling::constraint
