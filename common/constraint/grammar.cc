#include "common/constraint/grammar.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling::constraint {
namespace {

constexpr std::uint32_t kMostCopies = 8;  // of the part of a repeat; more are counted

bool CallsRules(const Expression& expression) {
  return expression.kind() == Expression::Kind::kRule ||
         std::any_of(expression.parts().begin(), expression.parts().end(), CallsRules);
}

}  // namespace

RuleId GrammarBuilder::Declare(std::string_view name) {
  definitions_.emplace_back();
  definitions_.back().name = std::string(name);
  return static_cast<RuleId>(definitions_.size() - 1);
}

void GrammarBuilder::Define(RuleId rule, Expression expression) {
  definitions_[rule].defined = true;
  definitions_[rule].expression = std::move(expression);
}

RuleId GrammarBuilder::Add(std::string_view name, Expression expression) {
  const RuleId rule = Declare(name);
  Define(rule, std::move(expression));
  return rule;
}

absl::StatusOr<std::shared_ptr<const Grammar>> GrammarBuilder::Build(RuleId root) {
  for (const Definition& definition : definitions_) {
    if (!definition.defined) {
      return absl::InvalidArgumentError(
          absl::StrCat("rule \"", definition.name, "\" is used, but not defined"));
    }
    if (definition.expression.depth() > limits_.most_depth) {
      return absl::InvalidArgumentError(absl::StrCat(
          "rule \"", definition.name, "\" nests deeper than ", limits_.most_depth, " levels"));
    }
  }
  std::shared_ptr<Grammar> grammar(new Grammar());
  grammar->root_ = root;
  RETURN_IF_ERROR(CompileRules(*grammar));
  AllowEmptyTexts(*grammar);
  Pack(*grammar);
  const NodeId start = grammar->rules_[root].start;
  const bool some_text = !grammar->byte_edges(start).empty() || !grammar->calls(start).empty() ||
                         !grammar->free_edges(start).empty();
  if (!some_text && !grammar->empty_text_matches_) {
    return absl::InvalidArgumentError("no text fulfils the constraint");
  }
  RETURN_IF_ERROR(Rank(*grammar));
  return grammar;
}

NodeId GrammarBuilder::NewNode() {
  too_large_ = too_large_ || nodes_.size() >= limits_.most_nodes || edges_ >= limits_.most_edges;
  // After that, what is compiled does not matter, but must end.
  if (too_large_ && !nodes_.empty()) return 0;
  nodes_.emplace_back();
  return static_cast<NodeId>(nodes_.size() - 1);
}

void GrammarBuilder::AddByteEdge(NodeId from, ByteRange bytes, NodeId to) {
  nodes_[from].byte_edges.push_back({.bytes = bytes, .target = to});
  ++edges_;
}

NodeId GrammarBuilder::Compile(const Expression& expression, NodeId from) {
  if (too_large_) return 0;
  switch (expression.kind()) {
    case Expression::Kind::kBytes:
      for (const char byte : expression.bytes()) {
        const NodeId to = NewNode();
        const auto value = static_cast<std::uint8_t>(byte);
        AddByteEdge(from, {value, value}, to);
        from = to;
      }
      return from;
    case Expression::Kind::kChars:
      return CompileChars(expression.chars(), from);
    case Expression::Kind::kSequence:
      for (const Expression& part : expression.parts()) from = Compile(part, from);
      return from;
    case Expression::Kind::kChoice: {
      const NodeId to = NewNode();
      for (const Expression& part : expression.parts()) {
        const NodeId end = Compile(part, from);
        nodes_[end].free_edges.push_back(to);
        ++edges_;
      }
      return to;
    }
    case Expression::Kind::kRepeat:
      return CompileRepeat(expression, from);
    case Expression::Kind::kRule:
      return CompileCall(expression.rule(), 1, 1, from);
    case Expression::Kind::kAutomaton:
      return CompileAutomaton(expression.automaton(), from);
  }
  return from;
}

NodeId GrammarBuilder::CompileChars(const CodePointSet& set, NodeId from) {
  const NodeId to = NewNode();
  std::map<std::tuple<std::uint8_t, std::uint8_t, NodeId>, NodeId> before;
  for (const std::vector<ByteRange>& sequence : Utf8Sequences(set)) {
    NodeId target = to;
    for (std::size_t i = sequence.size() - 1; i > 0; --i) {
      const auto [known, is_new] =
          before.try_emplace({sequence[i].first, sequence[i].last, target}, 0);
      if (is_new) {
        known->second = NewNode();
        AddByteEdge(known->second, sequence[i], target);
      }
      target = known->second;
    }
    AddByteEdge(from, sequence[0], target);
  }
  return to;
}

NodeId GrammarBuilder::CompileAutomaton(const ByteAutomaton& automaton, NodeId from) {
  std::vector<NodeId> nodes;
  for (std::size_t i = 0; i < automaton.states.size(); ++i) nodes.push_back(NewNode());
  const NodeId to = NewNode();
  if (too_large_) return 0;
  nodes_[from].free_edges.push_back(nodes[0]);
  for (std::size_t i = 0; i < automaton.states.size(); ++i) {
    const ByteAutomaton::State& state = automaton.states[i];
    for (const auto& edge : state.edges) AddByteEdge(nodes[i], edge.bytes, nodes[edge.target]);
    if (state.accepts) nodes_[nodes[i]].free_edges.push_back(to);
    ++edges_;
  }
  return to;
}

NodeId GrammarBuilder::CompileRepeat(const Expression& expression, NodeId from) {
  const Expression& part = expression.parts()[0];
  const std::uint32_t least = expression.least();
  const std::uint32_t most = expression.most();
  const bool unbounded = most == kUnbounded;
  if ((unbounded ? least : most) > kMostCopies) {
    definitions_.push_back({.name = "repeat", .defined = true, .expression = part});
    return CompileCall(static_cast<RuleId>(definitions_.size() - 1), least, most, from);
  }
  for (std::uint32_t i = 0; i < least; ++i) from = Compile(part, from);
  if (unbounded) {
    const NodeId loop = NewNode();
    nodes_[from].free_edges.push_back(loop);
    nodes_[Compile(part, loop)].free_edges.push_back(loop);
    edges_ += 2;
    return loop;
  }
  const NodeId to = NewNode();
  for (std::uint32_t i = least; i < most; ++i) {
    nodes_[from].free_edges.push_back(to);
    ++edges_;
    from = Compile(part, from);
  }
  nodes_[from].free_edges.push_back(to);
  return to;
}

NodeId GrammarBuilder::CompileCall(RuleId rule, std::uint32_t least, std::uint32_t most,
                                   NodeId from) {
  const NodeId to = NewNode();
  nodes_[from].calls.push_back(
      {.caller = compiling_, .rule = rule, .target = to, .least = least, .most = most});
  if (least == 0) nodes_[from].free_edges.push_back(to);
  edges_ += 2;
  return to;
}

absl::Status GrammarBuilder::CompileRules(Grammar& grammar) {
  // Compiling adds definitions of repeated parts.
  for (std::size_t i = 0; i < definitions_.size(); ++i) {
    const Expression expression = definitions_[i].expression;
    compiling_ = static_cast<RuleId>(i);
    Grammar::Rule rule;
    rule.name = definitions_[i].name;
    rule.lexical = !CallsRules(expression);
    rule.start = NewNode();
    rule.end = Compile(expression, rule.start);
    grammar.rules_.push_back(std::move(rule));
    if (too_large_) {
      return absl::InvalidArgumentError(absl::StrCat("the constraint needs more than ",
                                                     limits_.most_nodes, " states or ",
                                                     limits_.most_edges, " transitions"));
    }
  }
  return absl::OkStatus();
}

void GrammarBuilder::AllowEmptyTexts(Grammar& grammar) {
  struct CallSite {
    NodeId from = 0;
    NodeId target = 0;
  };
  const std::size_t count = grammar.rules_.size();
  std::vector<std::vector<CallSite>> sites(count);
  std::vector<std::vector<RuleId>> ends(nodes_.size());
  for (NodeId node = 0; node < nodes_.size(); ++node) {
    for (const auto& call : nodes_[node].calls) {
      sites[call.rule].push_back({.from = node, .target = call.target});
    }
  }
  // A node is reached if the empty text leads to it from the start of its rule.
  std::vector<bool> reached(nodes_.size(), false);
  std::vector<bool> nullable(count, false);
  std::vector<NodeId> open;
  const auto reach = [&](NodeId node) {
    if (reached[node]) return;
    reached[node] = true;
    open.push_back(node);
  };
  for (RuleId rule = 0; rule < count; ++rule) {
    ends[grammar.rules_[rule].end].push_back(rule);
    reach(grammar.rules_[rule].start);
  }
  while (!open.empty()) {
    const NodeId node = open.back();
    open.pop_back();
    for (const NodeId target : nodes_[node].free_edges) reach(target);
    for (const auto& call : nodes_[node].calls) {
      if (nullable[call.rule]) reach(call.target);
    }
    for (const RuleId rule : ends[node]) {
      nullable[rule] = true;
      for (const CallSite& site : sites[rule]) {
        if (reached[site.from]) reach(site.target);
      }
    }
  }
  for (Node& node : nodes_) {
    for (auto& call : node.calls) {
      if (!nullable[call.rule]) continue;
      call.least = 0;
      node.free_edges.push_back(call.target);
    }
  }
  grammar.empty_text_matches_ = nullable[grammar.root_];
}

// Keeps only the edges from which a text can be completed.
void GrammarBuilder::Pack(Grammar& grammar) {
  // A node is live if the end of its rule can be reached. Goes backwards from the ends.
  struct Back {
    NodeId from = 0;
    std::optional<RuleId> rule;  // of a call
  };
  std::vector<std::vector<Back>> back(nodes_.size());
  std::vector<std::vector<Back>> callers(grammar.rules_.size());  // `from`: the target of a call
  std::vector<std::vector<RuleId>> starts(nodes_.size());
  for (NodeId node = 0; node < nodes_.size(); ++node) {
    for (const auto& edge : nodes_[node].byte_edges) back[edge.target].push_back({.from = node});
    for (const NodeId target : nodes_[node].free_edges) back[target].push_back({.from = node});
    for (const auto& call : nodes_[node].calls) {
      back[call.target].push_back({.from = node, .rule = call.rule});
      callers[call.rule].push_back({.from = call.target});
    }
  }
  std::vector<bool> live(nodes_.size(), false);
  std::vector<bool> productive(grammar.rules_.size(), false);
  std::vector<NodeId> open;
  const auto reach = [&](NodeId node) {
    if (live[node]) return;
    live[node] = true;
    open.push_back(node);
  };
  for (RuleId rule = 0; rule < grammar.rules_.size(); ++rule) {
    starts[grammar.rules_[rule].start].push_back(rule);
    reach(grammar.rules_[rule].end);
  }
  while (!open.empty()) {
    const NodeId node = open.back();
    open.pop_back();
    for (const Back& edge : back[node]) {
      if (!edge.rule.has_value() || productive[*edge.rule]) reach(edge.from);
    }
    for (const RuleId rule : starts[node]) {
      productive[rule] = true;
      for (const Back& caller : callers[rule]) {
        if (!live[caller.from]) continue;
        for (const Back& edge : back[caller.from]) {
          if (edge.rule == rule) reach(edge.from);
        }
      }
    }
  }
  for (const Node& node : nodes_) {
    grammar.first_byte_edge_.push_back(static_cast<std::uint32_t>(grammar.byte_edges_.size()));
    grammar.first_free_edge_.push_back(static_cast<std::uint32_t>(grammar.free_edges_.size()));
    grammar.first_call_.push_back(static_cast<std::uint32_t>(grammar.calls_.size()));
    for (const auto& edge : node.byte_edges) {
      if (live[edge.target]) grammar.byte_edges_.push_back(edge);
    }
    for (const NodeId target : node.free_edges) {
      if (live[target]) grammar.free_edges_.push_back(target);
    }
    for (const auto& call : node.calls) {
      if (live[call.target] && productive[call.rule]) grammar.calls_.push_back(call);
    }
  }
  grammar.first_byte_edge_.push_back(static_cast<std::uint32_t>(grammar.byte_edges_.size()));
  grammar.first_free_edge_.push_back(static_cast<std::uint32_t>(grammar.free_edges_.size()));
  grammar.first_call_.push_back(static_cast<std::uint32_t>(grammar.calls_.size()));
  grammar.is_end_.resize(nodes_.size(), false);
  for (const Grammar::Rule& rule : grammar.rules_) grammar.is_end_[rule.end] = true;
  FindLast(grammar);
}

void GrammarBuilder::FindLast(Grammar& grammar) {
  grammar.is_last_.resize(grammar.is_end_.size(), false);
  for (const auto& call : grammar.calls_) {
    NodeId node = call.target;
    // Follows the only way. A way that is longer is rare, and only costs time.
    for (int step = 0; step < 4; ++step) {
      const auto next = grammar.free_edges(node);
      if (!grammar.byte_edges(node).empty() || !grammar.calls(node).empty()) break;
      if (grammar.is_end_[node] && next.empty()) grammar.is_last_[call.target] = true;
      if (grammar.is_end_[node] || next.size() != 1) break;
      node = next[0];
    }
  }
}

std::vector<std::vector<RuleId>> GrammarBuilder::FirstCalls(const Grammar& grammar) {
  std::vector<std::vector<RuleId>> first_calls;
  std::vector<bool> seen(grammar.nodes(), false);
  for (const Grammar::Rule& rule : grammar.rules_) {
    std::vector<RuleId> called;
    std::vector<NodeId> nodes = {rule.start};
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const NodeId node = nodes[i];
      if (seen[node]) continue;
      seen[node] = true;
      for (const auto& call : grammar.calls(node)) called.push_back(call.rule);
      const auto targets = grammar.free_edges(node);
      nodes.insert(nodes.end(), targets.begin(), targets.end());
    }
    std::sort(called.begin(), called.end());
    called.erase(std::unique(called.begin(), called.end()), called.end());
    first_calls.push_back(std::move(called));
  }
  return first_calls;
}

absl::Status GrammarBuilder::Rank(Grammar& grammar) {
  const std::size_t count = grammar.rules_.size();
  const std::vector<std::vector<RuleId>> first_calls = FirstCalls(grammar);
  std::vector<std::uint32_t> callers(count, 0);
  for (const auto& calls : first_calls) {
    for (const RuleId called : calls) ++callers[called];
  }
  std::vector<RuleId> ready;
  for (RuleId rule = 0; rule < count; ++rule) {
    if (callers[rule] == 0) ready.push_back(rule);
  }
  std::uint32_t ranked = 0;
  while (!ready.empty()) {
    const RuleId rule = ready.back();
    ready.pop_back();
    grammar.rules_[rule].rank = ranked++;
    for (const RuleId called : first_calls[rule]) {
      if (--callers[called] == 0) ready.push_back(called);
    }
  }
  if (ranked == count) return absl::OkStatus();
  // What is left lies on a cycle or is called from one. Following callers back leads to the cycle.
  std::vector<RuleId> caller_of(count, 0);
  RuleId rule = 0;
  for (RuleId caller = 0; caller < count; ++caller) {
    if (callers[caller] == 0) continue;
    rule = caller;
    for (const RuleId called : first_calls[caller]) caller_of[called] = caller;
  }
  for (std::size_t step = 0; step < count; ++step) rule = caller_of[rule];
  return absl::InvalidArgumentError(
      absl::StrCat("rule \"", grammar.rules_[rule].name,
                   "\" can begin with itself (left recursion), which is not supported"));
}

absl::StatusOr<std::shared_ptr<const Grammar>> GrammarOf(Expression expression,
                                                         const GrammarLimits& limits) {
  GrammarBuilder builder(limits);
  const RuleId root = builder.Add("text", std::move(expression));
  return builder.Build(root);
}

}  // namespace recycling::constraint
