// The compiled form of a constraint: an automaton over bytes whose edges may call rules, so that
// texts may nest.
#ifndef RECYCLING_COMMON_CONSTRAINT_GRAMMAR_H_
#define RECYCLING_COMMON_CONSTRAINT_GRAMMAR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/constraint/expression.h"

namespace recycling::constraint {

using NodeId = std::uint32_t;

// Immutable. Threads: any.
//
// Each rule has nodes: a start, an end, and others between them. From a node lead edges:
//  - a byte edge consumes one byte of its range;
//  - a free edge consumes nothing;
//  - a call consumes texts of a rule, `least` to `most` of them, each of at least one byte. A free
//    edge beside it stands for no text, where that is allowed.
// So the start of a called rule never leads to its end without a byte.
class Grammar {
 public:
  struct ByteEdge {
    ByteRange bytes;
    NodeId target = 0;
  };
  struct Call {
    RuleId caller = 0;
    RuleId rule = 0;
    NodeId target = 0;        // after the last text
    std::uint32_t least = 1;  // 0 and 1 mean the same
    std::uint32_t most = 1;   // at least 1; may be kUnbounded
  };
  struct Rule {
    std::string name;
    NodeId start = 0;
    NodeId end = 0;
    // A rule calls, before it consumes a byte, only rules of a higher rank.
    std::uint32_t rank = 0;
    // It calls no rule but for repeats of its own. Most tokens of a text lie within one.
    bool lexical = false;
  };

  const std::vector<Rule>& rules() const { return rules_; }
  RuleId root() const { return root_; }
  bool empty_text_matches() const { return empty_text_matches_; }

  std::size_t nodes() const { return first_byte_edge_.size() - 1; }
  std::span<const ByteEdge> byte_edges(NodeId node) const {
    return Part(byte_edges_, first_byte_edge_, node);
  }
  std::span<const NodeId> free_edges(NodeId node) const {
    return Part(free_edges_, first_free_edge_, node);
  }
  // The ids of the calls from `node` are consecutive from the first.
  std::span<const Call> calls(NodeId node) const { return Part(calls_, first_call_, node); }
  std::uint32_t first_call(NodeId node) const { return first_call_[node]; }
  const Call& call(std::uint32_t id) const { return calls_[id]; }
  bool is_end(NodeId node) const { return is_end_[node]; }  // of its rule
  // Whether only the end of its rule can follow `node`, and no byte before it. Known for the
  // targets of calls.
  bool is_last(NodeId node) const { return is_last_[node]; }

 private:
  friend class GrammarBuilder;
  Grammar() = default;

  template <typename Item>
  static std::span<const Item> Part(const std::vector<Item>& items,
                                    const std::vector<std::uint32_t>& first, NodeId node) {
    return std::span(items).subspan(first[node], first[node + 1] - first[node]);
  }

  std::vector<Rule> rules_;
  RuleId root_ = 0;
  bool empty_text_matches_ = false;
  std::vector<std::uint32_t> first_byte_edge_;
  std::vector<std::uint32_t> first_free_edge_;
  std::vector<std::uint32_t> first_call_;
  std::vector<ByteEdge> byte_edges_;
  std::vector<NodeId> free_edges_;
  std::vector<Call> calls_;
  std::vector<bool> is_end_;
  std::vector<bool> is_last_;
};

struct GrammarLimits {
  std::size_t most_nodes = 1 << 20;
  std::size_t most_edges = 4 << 20;
  std::size_t most_depth = 400;  // of an expression
};

// Collects rules and compiles them. Threads: one.
class GrammarBuilder {
 public:
  explicit GrammarBuilder(const GrammarLimits& limits = {}) : limits_(limits) {}

  // Adds a rule, which Define must define. Names are for errors; they need not be distinct.
  RuleId Declare(std::string_view name);
  void Define(RuleId rule, Expression expression);
  RuleId Add(std::string_view name, Expression expression);

  std::size_t rules() const { return definitions_.size(); }

  // The grammar of the texts of `root`. Called once. InvalidArgument if a rule is not defined, if a
  // rule can call itself before it has consumed a byte (left recursion), or if a limit is reached.
  absl::StatusOr<std::shared_ptr<const Grammar>> Build(RuleId root);

 private:
  struct Definition {
    std::string name;
    bool defined = false;
    Expression expression;
  };
  struct Node {
    std::vector<Grammar::ByteEdge> byte_edges;
    std::vector<NodeId> free_edges;
    std::vector<Grammar::Call> calls;
  };

  NodeId NewNode();
  void AddByteEdge(NodeId from, ByteRange bytes, NodeId to);
  // Adds what `expression` matches after `from`, and returns the node after it.
  NodeId Compile(const Expression& expression, NodeId from);
  NodeId CompileChars(const CodePointSet& set, NodeId from);
  NodeId CompileAutomaton(const ByteAutomaton& automaton, NodeId from);
  NodeId CompileRepeat(const Expression& expression, NodeId from);
  NodeId CompileCall(RuleId rule, std::uint32_t least, std::uint32_t most, NodeId from);
  absl::Status CompileRules(Grammar& grammar);
  // Adds free edges beside the calls of rules that match the empty text.
  void AllowEmptyTexts(Grammar& grammar);
  static absl::Status Rank(Grammar& grammar);
  // For each rule, the rules that it can call before it consumes a byte.
  static std::vector<std::vector<RuleId>> FirstCalls(const Grammar& grammar);
  void Pack(Grammar& grammar);
  static void FindLast(Grammar& grammar);

  const GrammarLimits limits_;
  std::vector<Definition> definitions_;
  std::vector<Node> nodes_;
  std::size_t edges_ = 0;
  bool too_large_ = false;
  RuleId compiling_ = 0;
};

// The grammar of an expression that calls no rule. Errors as GrammarBuilder::Build.
absl::StatusOr<std::shared_ptr<const Grammar>> GrammarOf(Expression expression,
                                                         const GrammarLimits& limits = {});

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_GRAMMAR_H_
