// A parsed Jinja2 template.
#ifndef RECYCLING_COMMON_CHAT_TEMPLATE_AST_H_
#define RECYCLING_COMMON_CHAT_TEMPLATE_AST_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "common/chat/value.h"

namespace recycling::chat {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

// An argument name=value, *value (the name is "*") or **value (the name is "**").
struct NamedArgument {
  std::string name;
  ExpressionPtr value;
};

enum class ExpressionKind {
  kConstant,
  kName,         // name
  kAttribute,    // operands[0].name
  kItem,         // operands[0][operands[1]]
  kSlice,        // operands[0][operands[1]:operands[2]:operands[3]]; a null one is left out
  kCall,         // operands[0](the other operands, named)
  kFilter,       // operands[0]|name(the other operands, named); the input of a filter block is null
  kTest,         // operands[0] is name(the other operands, named)
  kNot,          // not operands[0]
  kNegate,       // -operands[0]
  kPlus,         // +operands[0]
  kBinary,       // operands[0] <operators[0]> operands[1]
  kAnd,          // of all operands
  kOr,           // of all operands
  kCompare,      // operands[0] <operators[0]> operands[1] <operators[1]> ...
  kConcatenate,  // operands[0] ~ operands[1] ~ ...
  kConditional,  // operands[0] if operands[1] else operands[2], which may be null
  kList,
  kTuple,
  kDict,  // operands are key, value, key, value, ...
};

struct Expression {
  ExpressionKind kind;
  std::size_t offset;  // into the source, for errors
  std::string name;
  Value constant;
  std::vector<ExpressionPtr> operands;
  std::vector<NamedArgument> named;
  std::vector<std::string> operators;
  int height = 1;  // 1 more than the highest operand
};

// What can be assigned to: a name, an attribute of a namespace, or a tuple of targets.
struct Target {
  std::size_t offset;
  std::string name{};       // of the variable
  std::string attribute{};  // empty: the variable itself is set
  std::vector<Target> items{};
  bool is_tuple = false;
};

struct Statement;
using Statements = std::vector<Statement>;

struct Parameter {
  std::string name{};
  ExpressionPtr default_value{};  // null: undefined if not given
};

enum class StatementKind {
  kText,         // text
  kPrint,        // expression
  kIf,           // branches
  kFor,          // for target in expression if condition: body, else: else_body
  kSet,          // target = expression
  kSetBlock,     // target = body, through `expression`, a chain of filters that may be null
  kMacro,        // target.name, parameters, body
  kCallBlock,    // expression is the call; parameters and body are its caller
  kFilterBlock,  // body through the filters of expression
  kWith,         // branches hold value and, as `target`, its name; body
  kGeneration,   // body
  kBreak,
  kContinue,
};

// One "if" or "elif" with its body; "else" has no condition. In a `with`: one assignment.
struct Branch {
  ExpressionPtr condition;
  Target target;
  Statements body;
};

struct Statement {
  StatementKind kind;
  std::size_t offset;
  std::string text{};
  ExpressionPtr expression{};
  ExpressionPtr condition{};
  Target target{};
  bool recursive = false;
  std::vector<Parameter> parameters{};
  bool uses_caller = false;  // whether the body of a macro reads these names
  bool uses_varargs = false;
  bool uses_kwargs = false;
  std::vector<Branch> branches{};
  Statements body{};
  Statements else_body{};
};

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_TEMPLATE_AST_H_
