#include "common/constraint/expression.h"

#include <algorithm>
#include <utility>

namespace recycling::constraint {

Expression::Expression(Node node) : node_(std::make_shared<const Node>(std::move(node))) {}

Expression Expression::Join(Kind kind, std::vector<Expression> parts) {
  Node node;
  node.kind = kind;
  for (const Expression& part : parts) node.depth = std::max(node.depth, part.depth() + 1);
  node.parts = std::move(parts);
  return Expression(std::move(node));
}

Expression Expression::Text(std::string_view bytes) {
  Node node;
  node.bytes = std::string(bytes);
  return Expression(std::move(node));
}

Expression Expression::Chars(CodePointSet set) {
  Node node;
  node.kind = Kind::kChars;
  node.chars = std::move(set);
  return Expression(std::move(node));
}

Expression Expression::Sequence(std::vector<Expression> parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  return Join(Kind::kSequence, std::move(parts));
}

Expression Expression::Choice(std::vector<Expression> parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  return Join(Kind::kChoice, std::move(parts));
}

Expression Expression::Repeat(Expression part, std::uint32_t least, std::uint32_t most) {
  if (least > most) return Choice({});
  if (least == 1 && most == 1) return part;
  Node node;
  node.kind = Kind::kRepeat;
  node.least = least;
  node.most = most;
  node.depth = part.depth() + 1;
  node.parts.push_back(std::move(part));
  return Expression(std::move(node));
}

Expression Expression::Rule(RuleId rule) {
  Node node;
  node.kind = Kind::kRule;
  node.rule = rule;
  return Expression(std::move(node));
}

Expression Expression::Of(std::shared_ptr<const ByteAutomaton> automaton) {
  Node node;
  node.kind = Kind::kAutomaton;
  node.automaton = std::move(automaton);
  return Expression(std::move(node));
}

}  // namespace recycling::constraint
