#include "common/constraint/intersection.h"

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/constraint/grammar.h"
#include "common/constraint/matcher.h"

namespace recycling::constraint {
namespace {

constexpr std::size_t kMostMatcherBytes = 8 << 20;

using States = std::vector<StateId>;  // one of each matcher

class Product {
 public:
  Product(std::vector<Matcher> matchers, std::size_t wanted, std::size_t most_states)
      : matchers_(std::move(matchers)), wanted_(wanted), most_states_(most_states) {}

  absl::StatusOr<Expression> Build() {
    States start;
    for (const Matcher& matcher : matchers_) start.push_back(matcher.start());
    IdOf(start);
    for (std::size_t i = 0; i < found_.size(); ++i) {
      Expand(i);
      const bool overflowed = std::any_of(matchers_.begin(), matchers_.end(),
                                          [](const auto& matcher) { return matcher.overflowed(); });
      if (overflowed || found_.size() > most_states_) {
        return absl::InvalidArgumentError(
            absl::StrCat("conditions together need more than ", most_states_, " states"));
      }
    }
    return Expression::Of(std::make_shared<const ByteAutomaton>(std::move(automaton_)));
  }

 private:
  std::uint32_t IdOf(const States& states) {
    const auto [known, is_new] =
        ids_.try_emplace(states, static_cast<std::uint32_t>(found_.size()));
    if (is_new) {
      found_.push_back(states);
      bool accepts = true;
      for (std::size_t m = 0; m < matchers_.size(); ++m) {
        accepts = accepts && matchers_[m].accepts(states[m]) == (m < wanted_);
      }
      automaton_.states.push_back({.edges = {}, .accepts = accepts});
    }
    return known->second;
  }

  void Expand(std::size_t id) {
    const States states = found_[id];
    std::bitset<257> begins;
    for (std::size_t m = 0; m < matchers_.size(); ++m) {
      for (const ByteRange& range : matchers_[m].NextBytes(states[m])) {
        begins.set(range.first);
        begins.set(std::size_t{range.last} + 1);
      }
    }
    // Only bytes that the first matcher takes can follow.
    for (const ByteRange& range : matchers_[0].NextBytes(states[0])) {
      for (std::size_t first = range.first; first <= range.last;) {
        std::size_t last = first;
        while (last < range.last && !begins[last + 1]) ++last;
        AddEdge(id, states, {static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last)});
        first = last + 1;
      }
    }
  }

  void AddEdge(std::size_t id, const States& states, ByteRange bytes) {
    States next;
    for (std::size_t m = 0; m < matchers_.size(); ++m) {
      next.push_back(matchers_[m].Next(states[m], bytes.first));
      if (m < wanted_ && next.back() == kDead) return;
    }
    const std::uint32_t target = IdOf(next);
    automaton_.states[id].edges.push_back({.bytes = bytes, .target = target});
  }

  std::vector<Matcher> matchers_;
  const std::size_t wanted_;  // the first of them; the others must not match
  const std::size_t most_states_;
  absl::flat_hash_map<States, std::uint32_t> ids_;
  std::vector<States> found_;
  ByteAutomaton automaton_;
};

}  // namespace

absl::StatusOr<Expression> Intersect(const std::vector<Expression>& all,
                                     const std::vector<Expression>& none,
                                     std::size_t& states_left) {
  constexpr std::size_t kMostParts = 32;
  constexpr std::size_t kMostStates = 1 << 13;
  if (all.size() + none.size() > kMostParts) {
    return absl::InvalidArgumentError(
        absl::StrCat("got more than ", kMostParts, " conditions on one text"));
  }
  std::vector<Matcher> matchers;
  for (const auto* list : {&all, &none}) {
    for (const Expression& expression : *list) {
      ASSIGN_OR_RETURN(auto grammar,
                       GrammarOf(expression, {.most_nodes = 1 << 16, .most_edges = 1 << 18}));
      matchers.emplace_back(std::move(grammar), kMostMatcherBytes);
    }
  }
  ASSIGN_OR_RETURN(
      Expression both,
      Product(std::move(matchers), all.size(), std::min(kMostStates, states_left)).Build());
  states_left -= std::min(both.automaton().states.size(), states_left);
  return both;
}

}  // namespace recycling::constraint
