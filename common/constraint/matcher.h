// Walks a text through a grammar, byte by byte.
#ifndef RECYCLING_COMMON_CONSTRAINT_MATCHER_H_
#define RECYCLING_COMMON_CONSTRAINT_MATCHER_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/constraint/grammar.h"

namespace recycling::constraint {

// Where a text may be in a grammar. Two texts that can go on in the same ways often, but not
// always, have the same state.
using StateId = std::uint32_t;

inline constexpr StateId kDead = 0;  // no text of the grammar begins with these bytes

// Keeps all states that were asked for. Threads: one.
//
// A state is a set of positions. A position is a node and a level. A level is a set of returns: the
// calls that wait for the rule of the node to end, each with a level of its own. So a grammar with
// several readings of a text shares what they have in common. Equal sets are kept once.
class Matcher {
 public:
  // With more than `most_bytes` of states, Next says kDead and overflowed() is true.
  explicit Matcher(std::shared_ptr<const Grammar> grammar, std::size_t most_bytes = 64 << 20);

  StateId start() const { return start_; }
  // The state after one more byte. `state` is of this matcher.
  StateId Next(StateId state, std::uint8_t byte);
  StateId Next(StateId state, std::string_view bytes);

  // Whether the text so far is complete.
  bool accepts(StateId state) const { return states_[state].accepts; }
  // Whether the text is complete and no byte can follow.
  bool ended(StateId state) const {
    return states_[state].accepts && states_[state].positions.empty();
  }
  // Ranges of the bytes that can follow. All bytes of a range lead to the same state.
  std::vector<ByteRange> NextBytes(StateId state) const;
  // The only byte that can follow. Nothing if there are several, or the text is complete.
  std::optional<std::uint8_t> OnlyByte(StateId state) const;

  // ---- States apart from what surrounds them, for token masks
  //
  // A place is a position within a rule, with the lexical rules around it, but without what waits
  // outside of them. Many states have the same places. What can follow a text is what can follow
  // within its places, and, where a place's rules may end, what can follow outside.

  // The call of a lexical rule that waits for a place to end.
  struct PlaceCall {
    std::uint32_t call = 0;
    std::uint32_t least = 0;  // further texts, as in Return
    std::uint32_t most = 0;
    auto operator<=>(const PlaceCall&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const PlaceCall& one) {
      return H::combine(std::move(h), one.call, one.least, one.most);
    }
  };
  struct Place {
    NodeId node = 0;
    std::vector<PlaceCall> calls;  // from the inside to the outside
    bool operator==(const Place&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Place& one) {
      return H::combine(std::move(h), one.node, one.calls);
    }
  };
  struct PlaceInState {
    Place place;
    StateId outside = kDead;  // the state once the place's rules have ended
  };
  // The places of a state.
  std::vector<PlaceInState> PlacesOf(StateId state);
  // The state of a place alone. From there on, a text may end where the place's rules end.
  StateId StateOf(const Place& place);
  // Whether the rules of the place that `state` came from have ended.
  bool leaves(StateId state) const { return states_[state].leaves; }

  // Whether no byte can follow.
  bool is_last(StateId state) const { return states_[state].positions.empty(); }

  bool overflowed() const { return overflowed_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t states() const { return states_.size(); }

 private:
  using LevelId = std::uint32_t;

  struct Return {
    std::uint32_t call = 0;   // id of the call; kEnd: the end of the text
    std::uint32_t least = 0;  // further texts of the called rule
    std::uint32_t most = 0;
    LevelId level = 0;
    auto operator<=>(const Return&) const = default;
  };
  struct Position {
    NodeId node = 0;
    LevelId level = 0;
    auto operator<=>(const Position&) const = default;
  };
  struct State {
    std::vector<Position> positions;
    bool accepts = false;
    bool leaves = false;
    bool operator==(const State&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const State& state) {
      h = H::combine(std::move(h), state.accepts, state.leaves, state.positions.size());
      for (const auto& p : state.positions) h = H::combine(std::move(h), p.node, p.level);
      return h;
    }
  };
  struct Step;  // the work of one byte

  static constexpr std::uint32_t kEnd = 0xFFFFFFFF;      // calls that are none: the whole text,
  static constexpr std::uint32_t kOutside = 0xFFFFFFFE;  // and what surrounds a place

  StateId Keep(State state);
  LevelId KeepLevel(std::vector<Return> returns);
  void Add(NodeId node, LevelId level, bool after_bytes, Step& step);
  // Continues after a text of the rules that `level` waits for.
  void Leave(LevelId level, std::vector<Position>& open, Step& step);
  StateId OutsideOf(LevelId level);
  void Enter(const Return& back, Step& step);
  bool Overflows(const Step& step);
  // Begins the rules that are called, and keeps the state.
  StateId Finish(Step& step);

  const std::shared_ptr<const Grammar> grammar_;
  const std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  bool overflowed_ = false;
  std::vector<State> states_;
  std::vector<std::vector<Return>> levels_;
  absl::flat_hash_map<std::uint64_t, std::vector<StateId>> states_by_hash_;
  absl::flat_hash_map<std::uint64_t, std::vector<LevelId>> levels_by_hash_;
  absl::flat_hash_map<std::uint64_t, StateId> next_;  // by state and byte
  absl::flat_hash_map<LevelId, StateId> outside_;
  StateId start_ = kDead;
};

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_MATCHER_H_
