// What a text may look like: a tree of sequences, choices and repeats over characters, which may
// call rules. Grammar compiles it.
#ifndef RECYCLING_COMMON_CONSTRAINT_EXPRESSION_H_
#define RECYCLING_COMMON_CONSTRAINT_EXPRESSION_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/constraint/code_points.h"

namespace recycling::constraint {

using RuleId = std::uint32_t;

inline constexpr std::uint32_t kUnbounded = std::numeric_limits<std::uint32_t>::max();

// A finite automaton over bytes. It begins in state 0.
struct ByteAutomaton {
  struct Edge {
    ByteRange bytes;
    std::uint32_t target = 0;
  };
  struct State {
    std::vector<Edge> edges;
    bool accepts = false;
  };
  std::vector<State> states;
};

// Immutable, and cheap to copy. Threads: as a shared_ptr to const.
class Expression {
 public:
  enum class Kind { kBytes, kChars, kSequence, kChoice, kRepeat, kRule, kAutomaton };

  // The empty text.
  Expression() : Expression(Text("")) {}

  // Exactly these bytes.
  static Expression Text(std::string_view bytes);
  // One character of the set, in UTF-8. Nothing matches if the set is empty.
  static Expression Chars(CodePointSet set);
  static Expression Sequence(std::vector<Expression> parts);
  // One of the parts. Nothing matches if there are none.
  static Expression Choice(std::vector<Expression> parts);
  // `least` to `most` times; `most` may be kUnbounded. Nothing matches if `least` is above `most`.
  static Expression Repeat(Expression part, std::uint32_t least, std::uint32_t most);
  static Expression Optional(Expression part) { return Repeat(std::move(part), 0, 1); }
  static Expression Rule(RuleId rule);
  // The texts that `automaton` accepts. It has at least one state.
  static Expression Of(std::shared_ptr<const ByteAutomaton> automaton);

  Kind kind() const { return node_->kind; }
  const std::string& bytes() const { return node_->bytes; }
  const CodePointSet& chars() const { return node_->chars; }
  const std::vector<Expression>& parts() const { return node_->parts; }
  std::uint32_t least() const { return node_->least; }
  std::uint32_t most() const { return node_->most; }
  RuleId rule() const { return node_->rule; }
  const ByteAutomaton& automaton() const { return *node_->automaton; }

  // Nested sequences, choices and repeats.
  std::size_t depth() const { return node_->depth; }

 private:
  struct Node {
    Kind kind = Kind::kBytes;
    std::string bytes;
    CodePointSet chars;
    std::vector<Expression> parts;
    std::uint32_t least = 0;
    std::uint32_t most = 0;
    RuleId rule = 0;
    std::shared_ptr<const ByteAutomaton> automaton;
    std::size_t depth = 0;
  };

  explicit Expression(Node node);
  static Expression Join(Kind kind, std::vector<Expression> parts);

  std::shared_ptr<const Node> node_;
};

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_EXPRESSION_H_
