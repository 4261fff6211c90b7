#include "common/chat/interpreter.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/arguments.h"
#include "common/chat/filters.h"
#include "common/chat/lookup.h"
#include "common/chat/methods.h"
#include "common/chat/operators.h"
#include "common/chat/template_lexer.h"
#include "common/chat/unicode_text.h"
#include "common/chat/value_tests.h"

namespace recycling::chat {

// Variables, and the scope around them.
class Scope {
 public:
  explicit Scope(std::shared_ptr<Scope> parent) : parent_(std::move(parent)) {}

  void Set(const std::string& name, Value value) { variables_[name] = std::move(value); }
  // Null if no scope has it.
  const Value* Find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent_.get()) {
      const auto found = scope->variables_.find(name);
      if (found != scope->variables_.end()) return &found->second;
    }
    return nullptr;
  }
  void Clear() { variables_.clear(); }

 private:
  absl::flat_hash_map<std::string, Value> variables_;
  std::shared_ptr<Scope> parent_;
};

namespace {

using ScopePtr = std::shared_ptr<Scope>;

constexpr std::int64_t kMaxRange = 100'000;  // as Jinja2's sandbox has it
constexpr std::uint64_t kBytesPerScope = 256;
constexpr std::uint64_t kBytesPerVariable = 96;
constexpr std::uint64_t kBytesPerMessage = 160;  // of an undefined value
constexpr std::size_t kMaxTimeFormat = 256;

constexpr std::array<std::string_view, 5> kFunctions = {"dict", "namespace", "raise_exception",
                                                        "range", "strftime_now"};

class Interpreter {
 public:
  Interpreter(std::string_view source, absl::CivilSecond now, const RenderLimits& limits)
      : source_(source), now_(now), budget_(limits) {}

  ~Interpreter() {
    // Macros, namespaces and loops can refer to each other in circles, which reference counts never
    // free, and in long chains, whose destruction would exhaust the stack.
    for (const ScopePtr& scope : captured_) scope->Clear();
    for (const std::shared_ptr<Namespace>& names : namespaces_) names->values.clear();
    for (const std::shared_ptr<Loop>& loop : loops_) {
      loop->items.clear();
      loop->changed.reset();
      loop->scope.reset();
    }
  }
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  absl::StatusOr<MarkedText> Render(const Statements& statements,
                                    std::vector<std::pair<std::string, Value>> variables) {
    const auto globals = std::make_shared<Scope>(nullptr);
    for (const std::string_view name : kFunctions) {
      auto function = std::make_shared<Callable>();
      function->kind = Callable::Kind::kFunction;
      function->name = std::string(name);
      globals->Set(function->name, Value::Of(std::shared_ptr<const Callable>(function)));
    }
    const auto scope = std::make_shared<Scope>(globals);
    for (auto& [name, value] : variables) scope->Set(name, std::move(value));
    captured_.push_back(scope);
    MarkedText text;
    RETURN_IF_ERROR(Run(statements, scope, text));
    return text;
  }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // `status` with the position, unless it has one.
  absl::Status At(std::size_t offset, const absl::Status& status) {
    if (located_) return status;
    located_ = true;
    return absl::Status(status.code(),
                        ErrorAt(source_, offset, std::string(status.message())).message());
  }
  absl::Status Error(std::size_t offset, std::string message) {
    return At(offset, TypeError(std::move(message)));
  }

  absl::StatusOr<ScopePtr> NewScope(const ScopePtr& parent) {
    RETURN_IF_ERROR(budget_.Bytes(kBytesPerScope));
    return std::make_shared<Scope>(parent);
  }

  // ---- Statements

  absl::Status Run(const Statements& statements, const ScopePtr& scope, MarkedText& out) {
    for (const Statement& statement : statements) {
      RETURN_IF_ERROR(Run(statement, scope, out));
      if (flow_ != Flow::kNext) break;
    }
    return absl::OkStatus();
  }

  absl::Status Run(const Statement& statement, const ScopePtr& scope, MarkedText& out) {
    const absl::Status status = RunOne(statement, scope, out);
    return status.ok() ? status : At(statement.offset, status);
  }

  absl::Status RunOne(const Statement& statement, const ScopePtr& scope, MarkedText& out) {
    const Budget::Level level(budget_);
    RETURN_IF_ERROR(level.Check());
    RETURN_IF_ERROR(budget_.Step());
    switch (statement.kind) {
      case StatementKind::kText:
        RETURN_IF_ERROR(budget_.Bytes(statement.text.size()));
        out.Append(statement.text, false);
        return CheckOutput(out);
      case StatementKind::kPrint: {
        ASSIGN_OR_RETURN(const Value value, Evaluate(*statement.expression, scope));
        return Print(value, out);
      }
      case StatementKind::kIf:
        return RunIf(statement, scope, out);
      case StatementKind::kFor: {
        ASSIGN_OR_RETURN(const Value value, Evaluate(*statement.expression, scope));
        return RunLoop(statement, scope, value, 0, out);
      }
      case StatementKind::kSet: {
        ASSIGN_OR_RETURN(const Value value, Evaluate(*statement.expression, scope));
        return Assign(statement.target, value, scope);
      }
      case StatementKind::kSetBlock: {
        ASSIGN_OR_RETURN(const Value value, BlockText(statement, scope));
        if (flow_ != Flow::kNext) return absl::OkStatus();  // the block was left
        return Assign(statement.target, value, scope);
      }
      case StatementKind::kFilterBlock: {
        ASSIGN_OR_RETURN(const Value value, BlockText(statement, scope));
        if (flow_ != Flow::kNext) return absl::OkStatus();  // the block was left
        return Print(value, out);
      }
      case StatementKind::kMacro:
        RETURN_IF_ERROR(budget_.Bytes(sizeof(Callable) + kBytesPerVariable));
        scope->Set(statement.target.name, MakeMacro(statement, statement.target.name, scope));
        return absl::OkStatus();
      case StatementKind::kCallBlock:
        return RunCallBlock(statement, scope, out);
      case StatementKind::kWith: {
        ASSIGN_OR_RETURN(const ScopePtr inner, NewScope(scope));
        for (const Branch& assignment : statement.branches) {
          ASSIGN_OR_RETURN(const Value value, Evaluate(*assignment.condition, scope));
          RETURN_IF_ERROR(Assign(assignment.target, value, inner));
        }
        return Run(statement.body, inner, out);
      }
      case StatementKind::kGeneration:
        return Run(statement.body, scope, out);
      case StatementKind::kBreak:
        flow_ = Flow::kBreak;
        return absl::OkStatus();
      case StatementKind::kContinue:
        flow_ = Flow::kContinue;
        return absl::OkStatus();
    }
    return absl::InternalError("an unknown statement");
  }

  absl::Status Print(const Value& value, MarkedText& out) {
    ASSIGN_OR_RETURN(const MarkedText text, ToText(value, budget_));
    out.Append(text);
    return CheckOutput(out);
  }

  absl::Status CheckOutput(const MarkedText& out) const {
    if (out.size() <= budget_.limits().max_output_bytes) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat("the template prints more than ",
                                                     budget_.limits().max_output_bytes, " bytes"));
  }

  absl::Status RunIf(const Statement& statement, const ScopePtr& scope, MarkedText& out) {
    for (const Branch& branch : statement.branches) {
      bool holds = true;
      if (branch.condition != nullptr) {
        ASSIGN_OR_RETURN(const Value condition, Evaluate(*branch.condition, scope));
        holds = IsTruthy(condition);
      }
      if (holds) return Run(branch.body, scope, out);
    }
    return absl::OkStatus();
  }

  absl::Status RunLoop(const Statement& statement, const ScopePtr& scope, const Value& value,
                       std::size_t depth, MarkedText& out) {
    ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(value, budget_));
    if (statement.condition != nullptr) {
      std::vector<Value> kept;
      for (Value& item : items) {
        RETURN_IF_ERROR(budget_.Step());
        ASSIGN_OR_RETURN(const ScopePtr inner, NewScope(scope));
        RETURN_IF_ERROR(Assign(statement.target, item, inner));
        ASSIGN_OR_RETURN(const Value condition, Evaluate(*statement.condition, inner));
        if (IsTruthy(condition)) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    if (items.empty()) {
      ASSIGN_OR_RETURN(const ScopePtr inner, NewScope(scope));
      return Run(statement.else_body, inner, out);
    }
    auto loop = std::make_shared<Loop>();
    RETURN_IF_ERROR(budget_.Bytes(sizeof(Loop)));
    loops_.push_back(loop);
    loop->items = std::move(items);
    loop->depth = depth;
    loop->statement = &statement;
    loop->scope = scope;
    const Value loop_value = Value::Of(loop);
    for (; loop->index < loop->items.size(); ++loop->index) {
      RETURN_IF_ERROR(budget_.Step());
      ASSIGN_OR_RETURN(const ScopePtr inner, NewScope(scope));
      inner->Set("loop", loop_value);
      RETURN_IF_ERROR(Assign(statement.target, loop->items[loop->index], inner));
      RETURN_IF_ERROR(Run(statement.body, inner, out));
      const Flow flow = std::exchange(flow_, Flow::kNext);
      if (flow == Flow::kBreak) break;
    }
    return absl::OkStatus();
  }

  // The text of a block's body, through its filters.
  absl::StatusOr<Value> BlockText(const Statement& statement, const ScopePtr& scope) {
    ASSIGN_OR_RETURN(const ScopePtr inner, NewScope(scope));
    MarkedText body;
    RETURN_IF_ERROR(Run(statement.body, inner, body));
    ASSIGN_OR_RETURN(const Value text, MakeText(std::move(body), budget_));
    if (statement.expression == nullptr) return text;
    return EvaluateFilter(*statement.expression, scope, &text);
  }

  absl::Status RunCallBlock(const Statement& statement, const ScopePtr& scope, MarkedText& out) {
    const Expression& call = *statement.expression;
    ASSIGN_OR_RETURN(const Value callee, Evaluate(*call.operands[0], scope));
    ASSIGN_OR_RETURN(Arguments arguments, EvaluateArguments(call, 1, scope));
    arguments.named.emplace_back(MarkedText("caller", false),
                                 MakeMacro(statement, "caller", scope));
    ASSIGN_OR_RETURN(const Value value, Call(callee, arguments));
    return Print(value, out);
  }

  Value MakeMacro(const Statement& statement, const std::string& name, const ScopePtr& scope) {
    auto macro = std::make_shared<Callable>();
    macro->kind = Callable::Kind::kMacro;
    macro->name = name;
    macro->macro = &statement;
    macro->scope = scope;
    if (captured_.empty() || captured_.back() != scope) captured_.push_back(scope);
    return Value::Of(std::shared_ptr<const Callable>(std::move(macro)));
  }

  absl::Status Assign(const Target& target, const Value& value, const ScopePtr& scope) {
    if (target.is_tuple) {
      ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(value, budget_));
      if (items.size() != target.items.size()) {
        return Error(target.offset, absl::StrCat("cannot unpack ", items.size(), " values into ",
                                                 target.items.size(), " names"));
      }
      for (std::size_t i = 0; i < items.size(); ++i) {
        RETURN_IF_ERROR(Assign(target.items[i], items[i], scope));
      }
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(budget_.Bytes(kBytesPerVariable));
    if (target.attribute.empty()) {
      scope->Set(target.name, value);
      return absl::OkStatus();
    }
    const Value* object = scope->Find(target.name);
    if (object == nullptr)
      return Error(target.offset, absl::StrCat("'", target.name, "' is undefined"));
    Namespace* names = object->names();
    if (names == nullptr) {
      return Error(target.offset, "cannot assign attribute on non-namespace object");
    }
    names->values[target.attribute] = value;
    return absl::OkStatus();
  }

  // ---- Expressions

  absl::StatusOr<Value> Evaluate(const Expression& expression, const ScopePtr& scope) {
    absl::StatusOr<Value> value = EvaluateOne(expression, scope);
    if (!value.ok()) return At(expression.offset, value.status());
    return value;
  }

  absl::StatusOr<Value> EvaluateOne(const Expression& expression, const ScopePtr& scope) {
    const Budget::Level level(budget_);
    RETURN_IF_ERROR(level.Check());
    RETURN_IF_ERROR(budget_.Step());
    switch (expression.kind) {
      case ExpressionKind::kConstant:
        return expression.constant;
      case ExpressionKind::kName: {
        const Value* found = scope->Find(expression.name);
        if (found != nullptr) return *found;
        RETURN_IF_ERROR(budget_.Bytes(kBytesPerMessage));
        return Value::MissingValue(absl::StrCat("'", Excerpt(expression.name), "' is undefined"));
      }
      case ExpressionKind::kAttribute: {
        ASSIGN_OR_RETURN(const Value object, Evaluate(*expression.operands[0], scope));
        return GetAttribute(object, expression.name, budget_);
      }
      case ExpressionKind::kItem: {
        ASSIGN_OR_RETURN(const Value object, Evaluate(*expression.operands[0], scope));
        ASSIGN_OR_RETURN(const Value index, Evaluate(*expression.operands[1], scope));
        return GetItem(object, index, budget_);
      }
      case ExpressionKind::kSlice:
        return EvaluateSlice(expression, scope);
      case ExpressionKind::kCall: {
        ASSIGN_OR_RETURN(const Value callee, Evaluate(*expression.operands[0], scope));
        ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expression, 1, scope));
        return Call(callee, arguments);
      }
      case ExpressionKind::kFilter:
        return EvaluateFilter(expression, scope, nullptr);
      case ExpressionKind::kTest: {
        ASSIGN_OR_RETURN(const Value value, Evaluate(*expression.operands[0], scope));
        ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expression, 1, scope));
        ASSIGN_OR_RETURN(const bool passes, ApplyTest(expression.name, value, arguments, budget_));
        return Value::Bool(passes);
      }
      case ExpressionKind::kNot: {
        ASSIGN_OR_RETURN(const Value value, Evaluate(*expression.operands[0], scope));
        return Value::Bool(!IsTruthy(value));
      }
      case ExpressionKind::kNegate: {
        ASSIGN_OR_RETURN(const Value value, Evaluate(*expression.operands[0], scope));
        return Negate(value);
      }
      case ExpressionKind::kPlus: {
        ASSIGN_OR_RETURN(const Value value, Evaluate(*expression.operands[0], scope));
        return Arithmetic("+", Value::Int(0), value, budget_);
      }
      case ExpressionKind::kBinary: {
        ASSIGN_OR_RETURN(const Value left, Evaluate(*expression.operands[0], scope));
        ASSIGN_OR_RETURN(const Value right, Evaluate(*expression.operands[1], scope));
        return Arithmetic(expression.operators[0], left, right, budget_);
      }
      case ExpressionKind::kAnd:
      case ExpressionKind::kOr: {
        const bool stops_at = expression.kind == ExpressionKind::kOr;
        Value value;
        for (const ExpressionPtr& operand : expression.operands) {
          ASSIGN_OR_RETURN(value, Evaluate(*operand, scope));
          if (IsTruthy(value) == stops_at) break;
        }
        return value;
      }
      case ExpressionKind::kCompare:
        return EvaluateCompare(expression, scope);
      case ExpressionKind::kConcatenate: {
        MarkedText text;
        for (const ExpressionPtr& operand : expression.operands) {
          ASSIGN_OR_RETURN(const Value value, Evaluate(*operand, scope));
          ASSIGN_OR_RETURN(const MarkedText part, ToText(value, budget_));
          text.Append(part);
        }
        return MakeText(std::move(text), budget_);
      }
      case ExpressionKind::kConditional: {
        ASSIGN_OR_RETURN(const Value condition, Evaluate(*expression.operands[1], scope));
        if (IsTruthy(condition)) return Evaluate(*expression.operands[0], scope);
        if (expression.operands[2] != nullptr) return Evaluate(*expression.operands[2], scope);
        return Value::MissingValue("an if without else whose condition is false");
      }
      case ExpressionKind::kList:
      case ExpressionKind::kTuple: {
        std::vector<Value> items;
        for (const ExpressionPtr& operand : expression.operands) {
          ASSIGN_OR_RETURN(Value item, Evaluate(*operand, scope));
          items.push_back(std::move(item));
        }
        return MakeList(
            std::move(items), budget_,
            expression.kind == ExpressionKind::kList ? ListKind::kList : ListKind::kTuple);
      }
      case ExpressionKind::kDict: {
        auto dict = std::make_shared<Dict>();
        for (std::size_t i = 0; i < expression.operands.size(); i += 2) {
          ASSIGN_OR_RETURN(const Value key, Evaluate(*expression.operands[i], scope));
          ASSIGN_OR_RETURN(const Value value, Evaluate(*expression.operands[i + 1], scope));
          RETURN_IF_ERROR(SetEntry(*dict, key, value));
        }
        return FinishDict(std::move(dict));
      }
    }
    return absl::InternalError("an unknown expression");
  }

  absl::Status SetEntry(Dict& dict, const Value& key, const Value& value) {
    RETURN_IF_ERROR(budget_.Bytes(4 * sizeof(Value) + (key.is_text() ? key.text()->size() : 0)));
    if (dict.Set(key, value)) return absl::OkStatus();
    return TypeError(absl::StrCat("unhashable type: '", TypeName(key), "'"));
  }

  static absl::StatusOr<Value> FinishDict(std::shared_ptr<Dict> dict) {
    if (dict->depth() > kMaxValueDepth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("a dict nests deeper than ", kMaxValueDepth, " levels"));
    }
    return Value::Of(std::move(dict));
  }

  absl::StatusOr<Value> EvaluateSlice(const Expression& expression, const ScopePtr& scope) {
    std::array<Value, 4> parts;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (expression.operands[i] == nullptr) continue;
      ASSIGN_OR_RETURN(parts[i], Evaluate(*expression.operands[i], scope));
    }
    ASSIGN_OR_RETURN(const std::optional<Value> slice,
                     SliceOf(parts[0], parts[1], parts[2], parts[3], budget_));
    if (slice.has_value()) return *slice;
    return Value::MissingValue(absl::StrCat("'", TypeName(parts[0]), " object' cannot be sliced"));
  }

  absl::StatusOr<Value> EvaluateCompare(const Expression& expression, const ScopePtr& scope) {
    ASSIGN_OR_RETURN(Value left, Evaluate(*expression.operands[0], scope));
    for (std::size_t i = 0; i < expression.operators.size(); ++i) {
      ASSIGN_OR_RETURN(Value right, Evaluate(*expression.operands[i + 1], scope));
      ASSIGN_OR_RETURN(const bool holds, Holds(expression.operators[i], left, right));
      if (!holds) return Value::Bool(false);
      left = std::move(right);
    }
    return Value::Bool(true);
  }

  absl::StatusOr<bool> Holds(const std::string& operation, const Value& left, const Value& right) {
    if (operation == "==") return Equals(left, right, budget_);
    if (operation == "in") return Contains(right, left, budget_);
    if (operation == "!=") {
      ASSIGN_OR_RETURN(const bool equal, Equals(left, right, budget_));
      return !equal;
    }
    if (operation == "not in") {
      ASSIGN_OR_RETURN(const bool contains, Contains(right, left, budget_));
      return !contains;
    }
    if (IsNan(left) || IsNan(right)) return false;
    ASSIGN_OR_RETURN(const int order, Compare(left, right, operation, budget_));
    if (operation == "<") return order < 0;
    if (operation == "<=") return order <= 0;
    if (operation == ">") return order > 0;
    return order >= 0;
  }

  // The arguments of a call, filter or test: the operands from `first` on, and the named ones.
  absl::StatusOr<Arguments> EvaluateArguments(const Expression& expression, std::size_t first,
                                              const ScopePtr& scope) {
    Arguments arguments;
    for (std::size_t i = first; i < expression.operands.size(); ++i) {
      ASSIGN_OR_RETURN(Value value, Evaluate(*expression.operands[i], scope));
      arguments.positional.push_back(std::move(value));
    }
    for (const NamedArgument& argument : expression.named) {
      ASSIGN_OR_RETURN(Value value, Evaluate(*argument.value, scope));
      if (argument.name == "*") {
        ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(value, budget_));
        arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
      } else if (argument.name == "**") {
        if (value.dict() == nullptr) return TypeError("argument after ** must be a mapping");
        for (const Dict::Entry& entry : value.dict()->entries()) {
          if (!entry.key.is_text()) return TypeError("keywords must be strings");
          RETURN_IF_ERROR(budget_.Bytes(sizeof(Value) + entry.key.text()->size()));
          arguments.named.emplace_back(*entry.key.text(), entry.value);
        }
      } else {
        arguments.named.emplace_back(MarkedText(argument.name, false), std::move(value));
      }
    }
    return arguments;
  }

  // A chain of filters; `block` is the input of the innermost one of a block.
  absl::StatusOr<Value> EvaluateFilter(const Expression& filter, const ScopePtr& scope,
                                       const Value* block) {
    if (block == nullptr) {
      ASSIGN_OR_RETURN(const Value input, Evaluate(*filter.operands[0], scope));
      return Apply(filter, input, scope);
    }
    std::vector<const Expression*> chain;  // from the last to the first
    for (const Expression* next = &filter; next != nullptr; next = next->operands[0].get()) {
      chain.push_back(next);
    }
    Value value = *block;
    for (auto next = chain.rbegin(); next != chain.rend(); ++next) {
      ASSIGN_OR_RETURN(value, Apply(**next, value, scope));
    }
    return value;
  }

  absl::StatusOr<Value> Apply(const Expression& filter, const Value& input, const ScopePtr& scope) {
    ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(filter, 1, scope));
    return ApplyFilter(filter.name, input, arguments, budget_);
  }

  // ---- Calls

  absl::StatusOr<Value> Call(const Value& callee, const Arguments& arguments) {
    if (Loop* loop = callee.loop()) return CallLoop(*loop, arguments);
    if (callee.is_undefined()) return UndefinedError(*callee.undefined());
    const Callable* callable = callee.callable();
    if (callable == nullptr) {
      return TypeError(absl::StrCat("'", TypeName(callee), "' object is not callable"));
    }
    switch (callable->kind) {
      case Callable::Kind::kMethod:
        return CallMethod(callable->self, callable->name, arguments, budget_);
      case Callable::Kind::kMacro:
        return CallMacro(*callable, arguments);
      case Callable::Kind::kFunction:
        break;
    }
    if (callable->name == "range") return Range(arguments);
    if (callable->name == "namespace") return MakeNamespace(arguments);
    if (callable->name == "dict") return MakeDict(arguments);
    if (callable->name == "strftime_now") return FormatNow(arguments);
    return RaiseException(arguments);
  }

  absl::StatusOr<Value> CallLoop(const Loop& loop, const Arguments& arguments) {
    if (!loop.statement->recursive) {
      return TypeError("The loop must have the 'recursive' marker to be called recursively.");
    }
    ASSIGN_OR_RETURN(const std::vector<std::optional<Value>> bound,
                     arguments.Bind("loop", {"iterable"}, 1));
    MarkedText text;
    RETURN_IF_ERROR(RunLoop(*loop.statement, loop.scope, *bound[0], loop.depth + 1, text));
    return MakeText(std::move(text), budget_);
  }

  absl::StatusOr<Value> CallMacro(const Callable& callable, const Arguments& arguments) {
    const Statement& macro = *callable.macro;
    const std::vector<Parameter>& parameters = macro.parameters;
    ASSIGN_OR_RETURN(const ScopePtr scope, NewScope(callable.scope));
    if (arguments.positional.size() > parameters.size() && !macro.uses_varargs) {
      return TypeError(absl::StrCat("macro '", callable.name, "' takes not more than ",
                                    parameters.size(), " argument(s)"));
    }
    std::vector<bool> given(parameters.size(), false);
    std::vector<Value> varargs;
    for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
      if (i < parameters.size()) {
        scope->Set(parameters[i].name, arguments.positional[i]);
        given[i] = true;
      } else {
        varargs.push_back(arguments.positional[i]);
      }
    }
    auto kwargs = std::make_shared<Dict>();
    for (const auto& [marked_name, value] : arguments.named) {
      const std::string& name = marked_name.bytes();
      const auto found =
          std::find_if(parameters.begin(), parameters.end(),
                       [&name](const Parameter& parameter) { return parameter.name == name; });
      if (found != parameters.end()) {
        const auto at = static_cast<std::size_t>(found - parameters.begin());
        if (given[at]) {
          return TypeError(
              absl::StrCat("macro '", callable.name, "' got two values for '", name, "'"));
        }
        scope->Set(name, value);
        given[at] = true;
      } else if (name == "caller" && macro.uses_caller) {
        scope->Set(name, value);
      } else if (macro.uses_kwargs) {
        RETURN_IF_ERROR(SetEntry(*kwargs, Value::Text(marked_name), value));
      } else {
        return TypeError(absl::StrCat("macro '", callable.name, "' takes no keyword argument '",
                                      Excerpt(name), "'"));
      }
    }
    if (macro.uses_varargs) {
      ASSIGN_OR_RETURN(Value list, MakeList(std::move(varargs), budget_, ListKind::kTuple));
      scope->Set("varargs", std::move(list));
    }
    if (macro.uses_kwargs) {
      ASSIGN_OR_RETURN(Value dict, FinishDict(std::move(kwargs)));
      scope->Set("kwargs", std::move(dict));
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (given[i]) continue;
      Value value = Value::MissingValue(
          absl::StrCat("parameter '", parameters[i].name, "' was not provided"));
      if (parameters[i].default_value != nullptr) {
        ASSIGN_OR_RETURN(value, Evaluate(*parameters[i].default_value, scope));
      }
      scope->Set(parameters[i].name, std::move(value));
    }
    MarkedText text;
    RETURN_IF_ERROR(Run(macro.body, scope, text));
    return MakeText(std::move(text), budget_);
  }

  absl::StatusOr<Value> Range(const Arguments& arguments) {
    std::array<std::int64_t, 3> bounds = {0, 0, 1};
    bool marked = false;
    const std::vector<Value>& given = arguments.positional;
    if (!arguments.named.empty() || given.empty() || given.size() > bounds.size()) {
      return TypeError("range expects 1 to 3 positional arguments");
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (given[i].is_undefined()) return UndefinedError(*given[i].undefined());
      if (!given[i].is_integral()) {
        return TypeError(
            absl::StrCat("'", TypeName(given[i]), "' object cannot be interpreted as an integer"));
      }
      bounds[given.size() == 1 ? 1 : i] = given[i].integer();
      marked = marked || given[i].marked();
    }
    const auto [begin, end, step] = bounds;
    if (step == 0) return TypeError("range() arg 3 must not be zero");
    std::vector<Value> items;
    std::int64_t number = begin;
    while (step > 0 ? number < end : number > end) {
      if (static_cast<std::int64_t>(items.size()) >= kMaxRange) {
        return TypeError(
            absl::StrCat("Range too big. The sandbox blocks ranges larger than ", kMaxRange));
      }
      items.push_back(Value::Int(number, marked));
      if (__builtin_add_overflow(number, step, &number)) break;
    }
    return MakeList(std::move(items), budget_, ListKind::kRange, marked);
  }

  absl::StatusOr<Value> MakeNamespace(const Arguments& arguments) {
    ASSIGN_OR_RETURN(const Value dict, MakeDict(arguments));
    auto names = std::make_shared<Namespace>();
    for (const Dict::Entry& entry : dict.dict()->entries()) {
      if (entry.key.is_text()) names->values[entry.key.text()->bytes()] = entry.value;
    }
    RETURN_IF_ERROR(budget_.Bytes(kBytesPerScope));
    namespaces_.push_back(names);
    return Value::Of(std::move(names));
  }

  absl::StatusOr<Value> MakeDict(const Arguments& arguments) {
    auto dict = std::make_shared<Dict>();
    if (arguments.positional.size() > 1) {
      return TypeError(
          absl::StrCat("dict expected at most 1 argument, got ", arguments.positional.size()));
    }
    if (!arguments.positional.empty()) {
      const Value& source = arguments.positional[0];
      if (const Dict* other = source.dict()) {
        for (const Dict::Entry& entry : other->entries()) {
          RETURN_IF_ERROR(SetEntry(*dict, entry.key, entry.value));
        }
      } else {
        ASSIGN_OR_RETURN(const std::vector<Value> pairs, Iterate(source, budget_));
        for (const Value& pair : pairs) {
          ASSIGN_OR_RETURN(const std::vector<Value> parts, Iterate(pair, budget_));
          if (parts.size() != 2) return TypeError("an entry of a dict must be a pair");
          RETURN_IF_ERROR(SetEntry(*dict, parts[0], parts[1]));
        }
      }
    }
    for (const auto& [name, value] : arguments.named) {
      RETURN_IF_ERROR(SetEntry(*dict, Value::Text(name), value));
    }
    return FinishDict(std::move(dict));
  }

  absl::StatusOr<Value> FormatNow(const Arguments& arguments) {
    ASSIGN_OR_RETURN(const std::vector<std::optional<Value>> bound,
                     arguments.Bind("strftime_now", {"format"}, 1));
    if (!bound[0]->is_text()) return TypeError("strftime_now expects a str");
    const std::string& format = bound[0]->text()->bytes();
    if (format.size() > kMaxTimeFormat) {
      return TypeError(absl::StrCat("a time format of ", format.size(), " bytes, expected at most ",
                                    kMaxTimeFormat));
    }
    // Python's time has no zone, and its fraction of a second is %f.
    std::string known;
    for (std::size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%' || i + 1 == format.size()) {
        known.push_back(format[i]);
        continue;
      }
      const char kind = format[++i];
      if (kind == 'f') known += "000000";
      if (kind != 'f' && kind != 'z' && kind != 'Z') known.append({'%', kind});
    }
    std::tm time{};
    time.tm_year = static_cast<int>(now_.year()) - 1900;
    time.tm_mon = now_.month() - 1;
    time.tm_mday = now_.day();
    time.tm_hour = now_.hour();
    time.tm_min = now_.minute();
    time.tm_sec = now_.second();
    time.tm_wday = (static_cast<int>(absl::GetWeekday(now_)) + 1) % 7;  // absl counts from Monday
    time.tm_yday = absl::GetYearDay(now_) - 1;
    time.tm_isdst = -1;
    std::array<char, 8 * kMaxTimeFormat> buffer;
    const std::size_t length = std::strftime(buffer.data(), buffer.size(), known.c_str(), &time);
    return MakeText(MarkedText(std::string(buffer.data(), length), bound[0]->text()->HasMarks()),
                    budget_);
  }

  absl::StatusOr<Value> RaiseException(const Arguments& arguments) {
    ASSIGN_OR_RETURN(const std::vector<std::optional<Value>> bound,
                     arguments.Bind("raise_exception", {"message"}, 1));
    ASSIGN_OR_RETURN(const MarkedText message, ToText(*bound[0], budget_));
    return TypeError(Excerpt(message.bytes(), 1000));
  }

  const std::string_view source_;
  const absl::CivilSecond now_;
  Budget budget_;
  Flow flow_ = Flow::kNext;
  bool located_ = false;  // whether the error that is on its way has a position
  std::vector<ScopePtr> captured_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  std::vector<std::shared_ptr<Loop>> loops_;
};

}  // namespace

absl::StatusOr<MarkedText> RunTemplate(std::string_view source, const Statements& statements,
                                       std::vector<std::pair<std::string, Value>> variables,
                                       absl::CivilSecond now, const RenderLimits& limits) {
  return Interpreter(source, now, limits).Render(statements, std::move(variables));
}

}  // namespace recycling::chat
