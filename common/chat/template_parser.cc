#include "common/chat/template_parser.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/filters.h"
#include "common/chat/template_lexer.h"
#include "common/chat/unicode_text.h"
#include "common/chat/value_tests.h"

namespace recycling::chat {
namespace {

constexpr int kMaxNesting = 100;  // of brackets and blocks
constexpr int kMaxHeight = 500;   // of an expression: a + b + c has height 3

using Expected = absl::StatusOr<ExpressionPtr>;

class Parser {
 public:
  Parser(std::string_view source, std::vector<Token> tokens)
      : source_(source), tokens_(std::move(tokens)) {}

  absl::StatusOr<Statements> Run() {
    ASSIGN_OR_RETURN(Statements statements, ParseStatements({}));
    return statements;
  }

 private:
  // Counts a level of nesting while it lives.
  class Level {
   public:
    explicit Level(int& depth) : depth_(depth) { ++depth_; }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    bool too_deep() const { return depth_ > kMaxNesting; }

   private:
    int& depth_;
  };

  // ---- Tokens

  const Token& current() const { return tokens_[next_]; }
  const Token& ahead() const { return tokens_[std::min(next_ + 1, tokens_.size() - 1)]; }
  void Advance() {
    if (next_ + 1 < tokens_.size()) ++next_;
  }
  bool IsOperator(std::string_view text) const {
    return current().kind == TokenKind::kOperator && current().text == text;
  }
  bool IsName(std::string_view text) const {
    return current().kind == TokenKind::kName && current().text == text;
  }
  bool SkipOperator(std::string_view text) {
    if (!IsOperator(text)) return false;
    Advance();
    return true;
  }
  bool SkipName(std::string_view text) {
    if (!IsName(text)) return false;
    Advance();
    return true;
  }
  absl::Status Error(std::string_view message) const {
    return ErrorAt(source_, current().offset, message);
  }
  std::string Describe() const {
    switch (current().kind) {
      case TokenKind::kText:
        return "text";
      case TokenKind::kVariableBegin:
        return "'{{'";
      case TokenKind::kVariableEnd:
        return "'}}'";
      case TokenKind::kBlockBegin:
        return "'{%'";
      case TokenKind::kBlockEnd:
        return "'%}'";
      case TokenKind::kEnd:
        return "the end of the template";
      default:
        return absl::StrCat("'", Excerpt(current().text, 40), "'");
    }
  }
  absl::Status Unexpected(std::string_view expected) const {
    return Error(absl::StrCat("got ", Describe(), ", expected ", std::string(expected)));
  }
  absl::Status ExpectOperator(std::string_view text) {
    if (!SkipOperator(text)) return Unexpected(absl::StrCat("'", std::string(text), "'"));
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> ExpectName() {
    if (current().kind != TokenKind::kName) return Unexpected("a name");
    std::string name = current().text;
    Advance();
    return name;
  }
  absl::Status ExpectBlockEnd() {
    if (current().kind != TokenKind::kBlockEnd) return Unexpected("'%}'");
    Advance();
    return absl::OkStatus();
  }

  // ---- Expressions

  std::unique_ptr<Expression> Make(ExpressionKind kind, std::size_t offset) const {
    auto expression = std::make_unique<Expression>();
    expression->kind = kind;
    expression->offset = offset;
    return expression;
  }

  // Adds an operand; null is allowed.
  static void Add(Expression& parent, ExpressionPtr operand) {
    if (operand != nullptr) parent.height = std::max(parent.height, 1 + operand->height);
    parent.operands.push_back(std::move(operand));
  }

  Expected Finish(std::unique_ptr<Expression> expression) const {
    if (expression->height > kMaxHeight) {
      return ErrorAt(source_, expression->offset,
                     absl::StrCat("the expression has more than ", kMaxHeight, " levels"));
    }
    return ExpressionPtr(std::move(expression));
  }

  Expected ParseExpression() {
    const Level level(depth_);
    if (level.too_deep()) return TooDeep();
    ASSIGN_OR_RETURN(ExpressionPtr value, ParseOr());
    while (IsName("if")) {
      auto conditional = Make(ExpressionKind::kConditional, current().offset);
      Advance();
      ASSIGN_OR_RETURN(ExpressionPtr condition, ParseOr());
      ExpressionPtr otherwise;
      if (SkipName("else")) {
        ASSIGN_OR_RETURN(otherwise, ParseExpression());
      }
      Add(*conditional, std::move(value));
      Add(*conditional, std::move(condition));
      Add(*conditional, std::move(otherwise));
      ASSIGN_OR_RETURN(value, Finish(std::move(conditional)));
    }
    return value;
  }

  absl::Status TooDeep() const {
    return Error(absl::StrCat("nested deeper than ", kMaxNesting, " levels"));
  }

  // Operands of `parse` between the word `name`.
  Expected ParseWords(std::string_view name, ExpressionKind kind, Expected (Parser::*parse)()) {
    const std::size_t offset = current().offset;
    ASSIGN_OR_RETURN(ExpressionPtr first, (this->*parse)());
    if (!IsName(name)) return first;
    auto all = Make(kind, offset);
    Add(*all, std::move(first));
    while (SkipName(name)) {
      ASSIGN_OR_RETURN(ExpressionPtr operand, (this->*parse)());
      Add(*all, std::move(operand));
    }
    return Finish(std::move(all));
  }

  Expected ParseOr() { return ParseWords("or", ExpressionKind::kOr, &Parser::ParseAnd); }
  Expected ParseAnd() { return ParseWords("and", ExpressionKind::kAnd, &Parser::ParseNot); }

  Expected ParseNot() {
    if (!IsName("not")) return ParseCompare();
    const Level level(depth_);
    if (level.too_deep()) return TooDeep();
    auto negation = Make(ExpressionKind::kNot, current().offset);
    Advance();
    ASSIGN_OR_RETURN(ExpressionPtr operand, ParseNot());
    Add(*negation, std::move(operand));
    return Finish(std::move(negation));
  }

  // The comparison operator here; empty if there is none. Skips it.
  std::string SkipComparison() {
    if (current().kind == TokenKind::kOperator) {
      for (const std::string_view text : {"==", "!=", "<", "<=", ">", ">="}) {
        if (SkipOperator(text)) return std::string(text);
      }
    }
    if (SkipName("in")) return "in";
    if (IsName("not") && ahead().kind == TokenKind::kName && ahead().text == "in") {
      Advance();
      Advance();
      return "not in";
    }
    return "";
  }

  Expected ParseCompare() {
    auto comparison = Make(ExpressionKind::kCompare, current().offset);
    ASSIGN_OR_RETURN(ExpressionPtr operand, ParseSum());
    for (std::string text = SkipComparison(); !text.empty(); text = SkipComparison()) {
      Add(*comparison, std::move(operand));
      comparison->operators.push_back(std::move(text));
      ASSIGN_OR_RETURN(operand, ParseSum());
    }
    if (comparison->operators.empty()) return operand;
    Add(*comparison, std::move(operand));
    return Finish(std::move(comparison));
  }

  // Operands of `parse` with one of `operators` between them, from left to right.
  Expected ParseBinary(std::initializer_list<std::string_view> operators,
                       Expected (Parser::*parse)()) {
    ASSIGN_OR_RETURN(ExpressionPtr left, (this->*parse)());
    for (;;) {
      const auto* found = std::find_if(operators.begin(), operators.end(),
                                       [this](std::string_view text) { return IsOperator(text); });
      if (found == operators.end()) return left;
      auto binary = Make(ExpressionKind::kBinary, current().offset);
      binary->operators.emplace_back(*found);
      Advance();
      ASSIGN_OR_RETURN(ExpressionPtr right, (this->*parse)());
      Add(*binary, std::move(left));
      Add(*binary, std::move(right));
      ASSIGN_OR_RETURN(left, Finish(std::move(binary)));
    }
  }

  Expected ParseSum() { return ParseBinary({"+", "-"}, &Parser::ParseConcatenation); }

  Expected ParseConcatenation() {
    auto all = Make(ExpressionKind::kConcatenate, current().offset);
    ASSIGN_OR_RETURN(ExpressionPtr first, ParseProduct());
    if (!IsOperator("~")) return first;
    Add(*all, std::move(first));
    while (SkipOperator("~")) {
      ASSIGN_OR_RETURN(ExpressionPtr operand, ParseProduct());
      Add(*all, std::move(operand));
    }
    return Finish(std::move(all));
  }

  Expected ParseProduct() { return ParseBinary({"*", "/", "//", "%"}, &Parser::ParsePower); }
  Expected ParsePower() { return ParseBinary({"**"}, &Parser::ParseFilteredUnary); }
  Expected ParseFilteredUnary() { return ParseUnary(true); }

  Expected ParseUnary(bool with_filters) {
    const Level level(depth_);
    if (level.too_deep()) return TooDeep();
    const std::size_t offset = current().offset;
    ExpressionPtr value;
    if (IsOperator("-") || IsOperator("+")) {
      auto sign = Make(IsOperator("-") ? ExpressionKind::kNegate : ExpressionKind::kPlus, offset);
      Advance();
      ASSIGN_OR_RETURN(ExpressionPtr operand, ParseUnary(false));
      Add(*sign, std::move(operand));
      ASSIGN_OR_RETURN(value, Finish(std::move(sign)));
    } else {
      ASSIGN_OR_RETURN(value, ParsePrimary());
    }
    ASSIGN_OR_RETURN(value, ParsePostfix(std::move(value)));
    if (with_filters) return ParseFiltersAndTests(std::move(value));
    return value;
  }

  Expected Constant(Value value) {
    auto constant = Make(ExpressionKind::kConstant, current().offset);
    constant->constant = std::move(value);
    Advance();
    return Finish(std::move(constant));
  }

  Expected ParsePrimary() {
    const Token& token = current();
    switch (token.kind) {
      case TokenKind::kName: {
        if (token.text == "true" || token.text == "True") return Constant(Value::Bool(true));
        if (token.text == "false" || token.text == "False") return Constant(Value::Bool(false));
        if (token.text == "none" || token.text == "None") return Constant(Value());
        auto name = Make(ExpressionKind::kName, token.offset);
        name->name = token.text;
        if (macro_ != nullptr) {
          macro_->uses_caller |= token.text == "caller";
          macro_->uses_varargs |= token.text == "varargs";
          macro_->uses_kwargs |= token.text == "kwargs";
        }
        Advance();
        return Finish(std::move(name));
      }
      case TokenKind::kString: {
        auto constant = Make(ExpressionKind::kConstant, token.offset);
        std::string text;
        while (current().kind == TokenKind::kString) {
          text.append(current().text);
          Advance();
        }
        constant->constant = Value::Text(text);
        return Finish(std::move(constant));
      }
      case TokenKind::kInteger: {
        std::int64_t number = 0;
        const char* end = token.text.data() + token.text.size();
        if (std::from_chars(token.text.data(), end, number).ec != std::errc()) {
          return Error("an integer above 2^63 - 1");
        }
        return Constant(Value::Int(number));
      }
      case TokenKind::kFloat: {
        double number = 0;
        const char* end = token.text.data() + token.text.size();
        if (std::from_chars(token.text.data(), end, number).ec != std::errc()) {
          return Error("a number that is out of range");
        }
        return Constant(Value::Float(number));
      }
      case TokenKind::kOperator:
        if (IsOperator("(")) {
          Advance();
          ASSIGN_OR_RETURN(ExpressionPtr value, ParseTuple({.in_parentheses = true}));
          RETURN_IF_ERROR(ExpectOperator(")"));
          return value;
        }
        if (IsOperator("[")) return ParseList();
        if (IsOperator("{")) return ParseDict();
        break;
      default:
        break;
    }
    return Unexpected("an expression");
  }

  struct TupleOptions {
    bool with_conditional = true;    // whether "a if b else c" may be an item
    bool in_parentheses = false;     // whether () is allowed
    std::string_view end_name = {};  // a word that ends the tuple
  };

  // One expression, or several with commas between them, which are a tuple.
  Expected ParseTuple(const TupleOptions& options) {
    const std::size_t offset = current().offset;
    auto tuple = Make(ExpressionKind::kTuple, offset);
    bool is_tuple = false;
    for (;;) {
      if (!tuple->operands.empty()) {
        if (!SkipOperator(",")) break;
        is_tuple = true;
      }
      if (current().kind == TokenKind::kVariableEnd || current().kind == TokenKind::kBlockEnd ||
          IsOperator(")") || (!options.end_name.empty() && IsName(options.end_name))) {
        break;
      }
      ASSIGN_OR_RETURN(ExpressionPtr item,
                       options.with_conditional ? ParseExpression() : ParseOr());
      Add(*tuple, std::move(item));
    }
    if (!is_tuple && tuple->operands.size() == 1) {
      // The only operand moves out, so the tuple around it is dropped.
      return std::move(tuple->operands[0]);
    }
    if (tuple->operands.empty() && !options.in_parentheses) return Unexpected("an expression");
    return Finish(std::move(tuple));
  }

  Expected ParseList() {
    auto list = Make(ExpressionKind::kList, current().offset);
    Advance();
    while (!IsOperator("]")) {
      if (!list->operands.empty()) RETURN_IF_ERROR(ExpectOperator(","));
      if (IsOperator("]")) break;
      ASSIGN_OR_RETURN(ExpressionPtr item, ParseExpression());
      Add(*list, std::move(item));
    }
    RETURN_IF_ERROR(ExpectOperator("]"));
    return Finish(std::move(list));
  }

  Expected ParseDict() {
    auto dict = Make(ExpressionKind::kDict, current().offset);
    Advance();
    while (!IsOperator("}")) {
      if (!dict->operands.empty()) RETURN_IF_ERROR(ExpectOperator(","));
      if (IsOperator("}")) break;
      ASSIGN_OR_RETURN(ExpressionPtr key, ParseExpression());
      RETURN_IF_ERROR(ExpectOperator(":"));
      ASSIGN_OR_RETURN(ExpressionPtr value, ParseExpression());
      Add(*dict, std::move(key));
      Add(*dict, std::move(value));
    }
    RETURN_IF_ERROR(ExpectOperator("}"));
    return Finish(std::move(dict));
  }

  Expected ParsePostfix(ExpressionPtr value) {
    for (;;) {
      if (IsOperator(".") || IsOperator("[")) {
        ASSIGN_OR_RETURN(value, ParseSubscript(std::move(value)));
      } else if (IsOperator("(")) {
        ASSIGN_OR_RETURN(value, ParseCall(std::move(value)));
      } else {
        return value;
      }
    }
  }

  Expected ParseFiltersAndTests(ExpressionPtr value) {
    for (;;) {
      if (SkipOperator("|")) {
        ASSIGN_OR_RETURN(value, ParseFilter(std::move(value)));
      } else if (IsName("is")) {
        ASSIGN_OR_RETURN(value, ParseTest(std::move(value)));
      } else if (IsOperator("(")) {
        ASSIGN_OR_RETURN(value, ParseCall(std::move(value)));
      } else {
        return value;
      }
    }
  }

  Expected ParseSubscript(ExpressionPtr object) {
    const std::size_t offset = current().offset;
    if (SkipOperator(".")) {
      if (current().kind == TokenKind::kInteger) {
        ASSIGN_OR_RETURN(ExpressionPtr index, ParsePrimary());
        return Item(offset, std::move(object), std::move(index));
      }
      auto attribute = Make(ExpressionKind::kAttribute, offset);
      ASSIGN_OR_RETURN(attribute->name, ExpectName());
      Add(*attribute, std::move(object));
      return Finish(std::move(attribute));
    }
    Advance();              // [
    if (IsOperator("]")) {  // x[] means x[()]
      ASSIGN_OR_RETURN(ExpressionPtr empty, Finish(Make(ExpressionKind::kTuple, offset)));
      Advance();
      return Item(offset, std::move(object), std::move(empty));
    }
    auto slice = Make(ExpressionKind::kSlice, offset);
    Add(*slice, std::move(object));
    ExpressionPtr part;
    if (!IsOperator(":")) {
      ASSIGN_OR_RETURN(part, ParseExpression());
      if (!IsOperator(":")) {
        if (IsOperator(",")) {
          auto tuple = Make(ExpressionKind::kTuple, offset);
          Add(*tuple, std::move(part));
          while (SkipOperator(",")) {
            ASSIGN_OR_RETURN(ExpressionPtr item, ParseExpression());
            Add(*tuple, std::move(item));
          }
          ASSIGN_OR_RETURN(part, Finish(std::move(tuple)));
        }
        RETURN_IF_ERROR(ExpectOperator("]"));
        return Item(offset, std::move(slice->operands[0]), std::move(part));
      }
    }
    Add(*slice, std::move(part));
    Advance();  // :
    for (int i = 0; i < 2; ++i) {
      ExpressionPtr next;
      if (!IsOperator(":") && !IsOperator("]")) {
        ASSIGN_OR_RETURN(next, ParseExpression());
      }
      Add(*slice, std::move(next));
      if (i == 0) SkipOperator(":");
    }
    RETURN_IF_ERROR(ExpectOperator("]"));
    return Finish(std::move(slice));
  }

  Expected Item(std::size_t offset, ExpressionPtr object, ExpressionPtr index) {
    auto item = Make(ExpressionKind::kItem, offset);
    Add(*item, std::move(object));
    Add(*item, std::move(index));
    return Finish(std::move(item));
  }

  Expected ParseCall(ExpressionPtr callee) {
    auto call = Make(ExpressionKind::kCall, current().offset);
    Add(*call, std::move(callee));
    RETURN_IF_ERROR(ParseArguments(*call));
    return Finish(std::move(call));
  }

  // Appends the arguments in parentheses to `call`.
  absl::Status ParseArguments(Expression& call) {
    RETURN_IF_ERROR(ExpectOperator("("));
    bool is_first = true;
    while (!IsOperator(")")) {
      if (!is_first) {
        RETURN_IF_ERROR(ExpectOperator(","));
        if (IsOperator(")")) break;
      }
      is_first = false;
      std::string name;
      if (SkipOperator("**")) {
        name = "**";
      } else if (SkipOperator("*")) {
        name = "*";
      } else if (current().kind == TokenKind::kName && ahead().kind == TokenKind::kOperator &&
                 ahead().text == "=") {
        name = current().text;
        Advance();
        Advance();
      }
      ASSIGN_OR_RETURN(ExpressionPtr value, ParseExpression());
      if (name.empty()) {
        if (!call.named.empty()) return Error("a positional argument after a named one");
        Add(call, std::move(value));
      } else {
        call.height = std::max(call.height, 1 + value->height);
        call.named.push_back({std::move(name), std::move(value)});
      }
    }
    return ExpectOperator(")");
  }

  // The name of a filter or test, which may have dots.
  absl::StatusOr<std::string> ParseDottedName() {
    ASSIGN_OR_RETURN(std::string name, ExpectName());
    while (SkipOperator(".")) {
      ASSIGN_OR_RETURN(const std::string part, ExpectName());
      absl::StrAppend(&name, ".", part);
    }
    return name;
  }

  // A filter whose "|" was read.
  Expected ParseFilter(ExpressionPtr input) {
    auto filter = Make(ExpressionKind::kFilter, current().offset);
    ASSIGN_OR_RETURN(filter->name, ParseDottedName());
    Add(*filter, std::move(input));
    if (IsOperator("(")) RETURN_IF_ERROR(ParseArguments(*filter));
    return Finish(std::move(filter));
  }

  // One or more filters for the text of a block, whose input is null.
  Expected ParseBlockFilters() {
    ASSIGN_OR_RETURN(ExpressionPtr filter, ParseFilter(nullptr));
    while (SkipOperator("|")) {
      ASSIGN_OR_RETURN(filter, ParseFilter(std::move(filter)));
    }
    return filter;
  }

  Expected ParseTest(ExpressionPtr value) {
    auto test = Make(ExpressionKind::kTest, current().offset);
    Advance();  // is
    const bool negated = SkipName("not");
    ASSIGN_OR_RETURN(test->name, ParseDottedName());
    Add(*test, std::move(value));
    if (IsOperator("(")) {
      RETURN_IF_ERROR(ParseArguments(*test));
    } else if (StartsTestArgument()) {
      if (IsName("is")) return Error("a test of a test");
      ASSIGN_OR_RETURN(ExpressionPtr argument, ParsePrimary());
      ASSIGN_OR_RETURN(argument, ParsePostfix(std::move(argument)));
      Add(*test, std::move(argument));
    }
    if (!negated) return Finish(std::move(test));
    auto negation = Make(ExpressionKind::kNot, test->offset);
    Add(*negation, std::move(test));
    return Finish(std::move(negation));
  }

  bool StartsTestArgument() const {
    switch (current().kind) {
      case TokenKind::kName:
        return !IsName("else") && !IsName("or") && !IsName("and");
      case TokenKind::kString:
      case TokenKind::kInteger:
      case TokenKind::kFloat:
        return true;
      default:
        return IsOperator("[") || IsOperator("{");
    }
  }

  // ---- Statements

  // Statements up to a block tag whose name is one of `ends`; the name is then the current token.
  // Without `ends`: up to the end of the source.
  absl::StatusOr<Statements> ParseStatements(std::initializer_list<std::string_view> ends) {
    const Level level(depth_);
    if (level.too_deep()) return TooDeep();
    Statements statements;
    for (;;) {
      switch (current().kind) {
        case TokenKind::kText: {
          Statement text{.kind = StatementKind::kText, .offset = current().offset};
          text.text = current().text;
          Advance();
          statements.push_back(std::move(text));
          break;
        }
        case TokenKind::kVariableBegin: {
          Statement print{.kind = StatementKind::kPrint, .offset = current().offset};
          Advance();
          ASSIGN_OR_RETURN(print.expression, ParseTuple({}));
          if (current().kind != TokenKind::kVariableEnd) return Unexpected("'}}'");
          Advance();
          statements.push_back(std::move(print));
          break;
        }
        case TokenKind::kBlockBegin: {
          Advance();
          if (current().kind != TokenKind::kName) return Unexpected("the name of a tag");
          if (std::find(ends.begin(), ends.end(), current().text) != ends.end()) {
            return statements;
          }
          ASSIGN_OR_RETURN(Statement statement, ParseStatement());
          statements.push_back(std::move(statement));
          RETURN_IF_ERROR(ExpectBlockEnd());
          break;
        }
        default:
          if (current().kind == TokenKind::kEnd && ends.size() == 0) return statements;
          return Unexpected(ends.size() == 0
                                ? std::string("text or a tag")
                                : absl::StrCat("{% ", std::string(*(ends.end() - 1)), " %}"));
      }
    }
  }

  // A body: from the end of the current tag to the tag that `ends` it, whose name is skipped.
  absl::StatusOr<Statements> ParseBody(std::string_view end) {
    RETURN_IF_ERROR(ExpectBlockEnd());
    ASSIGN_OR_RETURN(Statements body, ParseStatements({end}));
    Advance();
    return body;
  }

  // A statement, from the name of its tag to before the "%}" of its last tag.
  absl::StatusOr<Statement> ParseStatement() {
    const std::size_t offset = current().offset;
    const std::string tag = current().text;
    Advance();
    if (tag == "if") return ParseIf(offset);
    if (tag == "for") return ParseFor(offset);
    if (tag == "set") return ParseSet(offset);
    if (tag == "macro") return ParseMacro(offset);
    if (tag == "call") return ParseCallBlock(offset);
    if (tag == "with") return ParseWith(offset);
    if (tag == "filter") {
      Statement block{.kind = StatementKind::kFilterBlock, .offset = offset};
      ASSIGN_OR_RETURN(block.expression, ParseBlockFilters());
      ASSIGN_OR_RETURN(block.body, ParseBody("endfilter"));
      return block;
    }
    if (tag == "generation") {
      Statement block{.kind = StatementKind::kGeneration, .offset = offset};
      ASSIGN_OR_RETURN(block.body, ParseBody("endgeneration"));
      return block;
    }
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) {
        return ErrorAt(source_, offset, absl::StrCat("'", tag, "' outside of a loop"));
      }
      return Statement{.kind = tag == "break" ? StatementKind::kBreak : StatementKind::kContinue,
                       .offset = offset};
    }
    return ErrorAt(source_, offset, absl::StrCat("unknown tag '", Excerpt(tag, 40), "'"));
  }

  absl::StatusOr<Statement> ParseIf(std::size_t offset) {
    Statement statement{.kind = StatementKind::kIf, .offset = offset};
    for (bool has_condition = true;;) {
      Branch branch{};
      if (has_condition) {
        ASSIGN_OR_RETURN(branch.condition, ParseTuple({.with_conditional = false}));
      }
      RETURN_IF_ERROR(ExpectBlockEnd());
      if (has_condition) {
        ASSIGN_OR_RETURN(branch.body, ParseStatements({"elif", "else", "endif"}));
      } else {
        ASSIGN_OR_RETURN(branch.body, ParseStatements({"endif"}));
      }
      statement.branches.push_back(std::move(branch));
      if (SkipName("endif")) return statement;
      has_condition = IsName("elif");
      Advance();
    }
  }

  absl::StatusOr<Statement> ParseFor(std::size_t offset) {
    Statement statement{.kind = StatementKind::kFor, .offset = offset};
    ASSIGN_OR_RETURN(statement.target, ParseTarget("in"));
    if (Assigns(statement.target, "loop")) {
      return ErrorAt(source_, offset, "cannot assign to 'loop' in a loop");
    }
    if (!SkipName("in")) return Unexpected("'in'");
    ASSIGN_OR_RETURN(statement.expression,
                     ParseTuple({.with_conditional = false, .end_name = "recursive"}));
    if (SkipName("if")) {
      ASSIGN_OR_RETURN(statement.condition, ParseExpression());
    }
    statement.recursive = SkipName("recursive");
    RETURN_IF_ERROR(ExpectBlockEnd());
    ++loops_;
    ASSIGN_OR_RETURN(statement.body, ParseStatements({"else", "endfor"}));
    --loops_;
    if (SkipName("else")) {
      RETURN_IF_ERROR(ExpectBlockEnd());
      ASSIGN_OR_RETURN(statement.else_body, ParseStatements({"endfor"}));
    }
    Advance();  // endfor
    return statement;
  }

  static bool Assigns(const Target& target, std::string_view name) {
    return target.name == name ||
           std::any_of(target.items.begin(), target.items.end(),
                       [&](const Target& item) { return Assigns(item, name); });
  }

  absl::StatusOr<Statement> ParseSet(std::size_t offset) {
    Statement statement{.kind = StatementKind::kSet, .offset = offset};
    ASSIGN_OR_RETURN(statement.target, ParseTarget(""));
    if (SkipOperator("=")) {
      ASSIGN_OR_RETURN(statement.expression, ParseTuple({}));
      return statement;
    }
    statement.kind = StatementKind::kSetBlock;
    if (SkipOperator("|")) {
      ASSIGN_OR_RETURN(statement.expression, ParseBlockFilters());
    }
    ASSIGN_OR_RETURN(statement.body, ParseBody("endset"));
    return statement;
  }

  absl::StatusOr<Target> ParseSingleTarget() {
    const Level level(depth_);
    if (level.too_deep()) return TooDeep();
    if (SkipOperator("(")) {
      ASSIGN_OR_RETURN(Target target, ParseTarget(""));
      RETURN_IF_ERROR(ExpectOperator(")"));
      return target;
    }
    Target target{.offset = current().offset};
    ASSIGN_OR_RETURN(target.name, ExpectName());
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (target.name == constant) {
        return ErrorAt(source_, target.offset,
                       absl::StrCat("cannot assign to '", target.name, "'"));
      }
    }
    if (SkipOperator(".")) {
      ASSIGN_OR_RETURN(target.attribute, ExpectName());
    }
    return target;
  }

  // One target, or several with commas between them, up to the word `end`.
  absl::StatusOr<Target> ParseTarget(std::string_view end) {
    const std::size_t offset = current().offset;
    ASSIGN_OR_RETURN(Target first, ParseSingleTarget());
    if (!IsOperator(",")) return first;
    Target tuple{.offset = offset, .is_tuple = true};
    tuple.items.push_back(std::move(first));
    while (SkipOperator(",")) {
      if (IsOperator("=") || IsOperator(")") || (!end.empty() && IsName(end))) break;
      ASSIGN_OR_RETURN(Target item, ParseSingleTarget());
      tuple.items.push_back(std::move(item));
    }
    return tuple;
  }

  absl::StatusOr<std::vector<Parameter>> ParseParameters() {
    std::vector<Parameter> parameters;
    RETURN_IF_ERROR(ExpectOperator("("));
    while (!IsOperator(")")) {
      if (!parameters.empty()) RETURN_IF_ERROR(ExpectOperator(","));
      Parameter parameter;
      ASSIGN_OR_RETURN(parameter.name, ExpectName());
      if (SkipOperator("=")) {
        ASSIGN_OR_RETURN(parameter.default_value, ParseExpression());
      } else if (!parameters.empty() && parameters.back().default_value != nullptr) {
        return Error("a parameter without a default after one with a default");
      }
      parameters.push_back(std::move(parameter));
    }
    RETURN_IF_ERROR(ExpectOperator(")"));
    return parameters;
  }

  // Reads the body of a macro, in which a break or continue has no loop around it.
  absl::Status ParseMacroBody(Statement& macro, std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Statement* outer = std::exchange(macro_, &macro);
    ASSIGN_OR_RETURN(macro.body, ParseBody(end));
    macro_ = outer;
    loops_ = loops;
    return absl::OkStatus();
  }

  absl::StatusOr<Statement> ParseMacro(std::size_t offset) {
    Statement macro{.kind = StatementKind::kMacro, .offset = offset};
    ASSIGN_OR_RETURN(macro.target.name, ExpectName());
    ASSIGN_OR_RETURN(macro.parameters, ParseParameters());
    RETURN_IF_ERROR(ParseMacroBody(macro, "endmacro"));
    return macro;
  }

  absl::StatusOr<Statement> ParseCallBlock(std::size_t offset) {
    Statement block{.kind = StatementKind::kCallBlock, .offset = offset};
    if (IsOperator("(")) {
      ASSIGN_OR_RETURN(block.parameters, ParseParameters());
    }
    ASSIGN_OR_RETURN(block.expression, ParseExpression());
    if (block.expression->kind != ExpressionKind::kCall) {
      return ErrorAt(source_, offset, "expected a call");
    }
    RETURN_IF_ERROR(ParseMacroBody(block, "endcall"));
    return block;
  }

  absl::StatusOr<Statement> ParseWith(std::size_t offset) {
    Statement block{.kind = StatementKind::kWith, .offset = offset};
    while (current().kind != TokenKind::kBlockEnd) {
      if (!block.branches.empty()) RETURN_IF_ERROR(ExpectOperator(","));
      Branch assignment{};
      ASSIGN_OR_RETURN(assignment.target, ParseSingleTarget());
      RETURN_IF_ERROR(ExpectOperator("="));
      ASSIGN_OR_RETURN(assignment.condition, ParseExpression());
      block.branches.push_back(std::move(assignment));
    }
    ASSIGN_OR_RETURN(block.body, ParseBody("endwith"));
    return block;
  }

  std::string_view source_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  int depth_ = 0;
  int loops_ = 0;               // around the current token, in the current macro
  Statement* macro_ = nullptr;  // around the current token; null: none
};

// Refuses filters and tests that are not known. Jinja2 does so when it compiles a template, except
// within an "if", where they fail when they run; a loop or macro within an "if" is compiled
// strictly again.
class NameChecker {
 public:
  explicit NameChecker(std::string_view source) : source_(source) {}

  absl::Status Check(const Statements& statements, bool lenient) const {
    for (const Statement& statement : statements) RETURN_IF_ERROR(Check(statement, lenient));
    return absl::OkStatus();
  }

 private:
  absl::Status Check(const Statement& statement, bool lenient) const {
    const bool is_if = statement.kind == StatementKind::kIf;
    const bool inner = is_if || (lenient && statement.kind == StatementKind::kGeneration);
    RETURN_IF_ERROR(Check(statement.expression.get(), lenient));
    RETURN_IF_ERROR(Check(statement.condition.get(), false));
    for (const Parameter& parameter : statement.parameters) {
      RETURN_IF_ERROR(Check(parameter.default_value.get(), false));
    }
    for (const Branch& branch : statement.branches) {
      RETURN_IF_ERROR(Check(branch.condition.get(), is_if));
      RETURN_IF_ERROR(Check(branch.body, is_if));
    }
    RETURN_IF_ERROR(Check(statement.body, inner));
    return Check(statement.else_body, inner);
  }

  absl::Status Check(const Expression* expression, bool lenient) const {
    if (expression == nullptr) return absl::OkStatus();
    const bool inner = lenient || expression->kind == ExpressionKind::kConditional;
    if (!inner && expression->kind == ExpressionKind::kFilter && !IsFilter(expression->name)) {
      return ErrorAt(source_, expression->offset, UnknownFilter(expression->name));
    }
    if (!inner && expression->kind == ExpressionKind::kTest && !IsTest(expression->name)) {
      return ErrorAt(source_, expression->offset, UnknownTest(expression->name));
    }
    for (const ExpressionPtr& operand : expression->operands) {
      RETURN_IF_ERROR(Check(operand.get(), inner));
    }
    for (const NamedArgument& argument : expression->named) {
      RETURN_IF_ERROR(Check(argument.value.get(), inner));
    }
    return absl::OkStatus();
  }

  std::string_view source_;
};

}  // namespace

absl::StatusOr<Statements> ParseTemplate(std::string_view source) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  ASSIGN_OR_RETURN(Statements statements, Parser(source, std::move(tokens)).Run());
  RETURN_IF_ERROR(NameChecker(source).Check(statements, false));
  return statements;
}

}  // namespace recycling::chat
