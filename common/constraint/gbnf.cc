#include "common/constraint/gbnf.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/constraint/text_cursor.h"
#include "common/tokenizer/utf8.h"

namespace recycling::constraint {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;
constexpr int kMostDepth = 50;  // of groups
constexpr int kMostCounts = 4;  // that follow one item

bool IsNameByte(char byte) {
  return absl::ascii_isalnum(static_cast<unsigned char>(byte)) || byte == '-' || byte == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : cursor_("grammar", text) {}

  absl::StatusOr<std::shared_ptr<const Grammar>> Parse() {
    SkipSpace(/*lines=*/true);
    while (!cursor_.done()) {
      RETURN_IF_ERROR(Rule());
      SkipSpace(/*lines=*/true);
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) return cursor_.Error("there is no rule \"root\"");
    return builder_.Build(root->second);
  }

 private:
  // Skips blanks and comments; line ends too if `lines`.
  void SkipSpace(bool lines) {
    while (!cursor_.done()) {
      const char next = cursor_.Peek();
      if (next == '#') {
        while (!cursor_.done() && cursor_.Peek() != '\n' && cursor_.Peek() != '\r') cursor_.Skip(1);
      } else if (next == ' ' || next == '\t' || (lines && (next == '\n' || next == '\r'))) {
        cursor_.Skip(1);
      } else {
        return;
      }
    }
  }

  std::string Name() {
    std::string name;
    for (; IsNameByte(cursor_.Peek()); cursor_.Skip(1)) name += cursor_.Peek();
    return name;
  }

  RuleId RuleOf(const std::string& name) {
    const auto [rule, is_new] = rules_.try_emplace(name, 0);
    if (is_new) {
      rule->second = builder_.Declare(name);
      defined_.push_back(false);
    }
    return rule->second;
  }

  absl::Status Rule() {
    const std::string name = Name();
    if (name.empty()) return cursor_.Error("expected the name of a rule");
    SkipSpace(false);
    if (!cursor_.Take("::=")) return cursor_.Error("expected \"::=\"");
    SkipSpace(true);
    const RuleId rule = RuleOf(name);
    if (defined_[rule]) return cursor_.Error(absl::StrCat("rule \"", name, "\" is defined twice"));
    defined_[rule] = true;
    ASSIGN_OR_RETURN(Expression expression, Alternatives(/*nested=*/false));
    builder_.Define(rule, std::move(expression));
    if (!cursor_.done() && cursor_.Peek() != '\n' && cursor_.Peek() != '\r') {
      return cursor_.Error("expected the end of the line");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Expression> Alternatives(bool nested) {
    if (++depth_ > kMostDepth) {
      return cursor_.Error(absl::StrCat("groups nest deeper than ", kMostDepth, " levels"));
    }
    std::vector<Expression> choices;
    do {
      SkipSpace(true);
      ASSIGN_OR_RETURN(Expression choice, Sequence(nested));
      choices.push_back(std::move(choice));
    } while (cursor_.Take("|"));
    --depth_;
    return Expression::Choice(std::move(choices));
  }

  absl::StatusOr<Expression> Sequence(bool nested) {
    std::vector<Expression> parts;
    while (true) {
      ASSIGN_OR_RETURN(std::optional<Expression> part, Item());
      if (!part.has_value()) break;
      SkipSpace(nested);
      for (int counts = 0;; ++counts) {
        if (counts > kMostCounts) return cursor_.Error("too many counts follow one item");
        const char next = cursor_.Peek();
        ASSIGN_OR_RETURN(const auto count, TakeRepeatCount(cursor_));
        if (!count.has_value()) {
          if (next == '{') return cursor_.Error("expected a count such as {1,3}");
          break;
        }
        part = Expression::Repeat(*std::move(part), count->least, count->most);
        SkipSpace(nested);
      }
      parts.push_back(*std::move(part));
    }
    return Expression::Sequence(std::move(parts));
  }

  // Nothing where a sequence ends.
  absl::StatusOr<std::optional<Expression>> Item() {
    if (cursor_.Take("\"")) return Literal();
    if (cursor_.Take("[")) return Class();
    if (cursor_.Take(".")) return Expression::Chars(CodePointSet::All());
    if (cursor_.Take("(")) {
      ASSIGN_OR_RETURN(Expression group, Alternatives(/*nested=*/true));
      if (!cursor_.Take(")")) return cursor_.Error("expected \")\"");
      return group;
    }
    if (cursor_.Peek() == '<' || cursor_.StartsWith("!<")) {
      return cursor_.Error("matches of single tokens are not supported");
    }
    if (!IsNameByte(cursor_.Peek())) return std::nullopt;
    return Expression::Rule(RuleOf(Name()));
  }

  absl::StatusOr<std::optional<Expression>> Literal() {
    std::string text;
    while (!cursor_.Take("\"")) {
      if (cursor_.done()) return cursor_.Error("a literal has no end");
      ASSIGN_OR_RETURN(const char32_t character, Character());
      absl::StrAppend(&text, ToUtf8(character));
    }
    return Expression::Text(text);
  }

  absl::StatusOr<std::optional<Expression>> Class() {
    const bool negated = cursor_.Take("^");
    std::vector<CodePointRange> ranges;
    while (!cursor_.Take("]")) {
      if (cursor_.done()) return cursor_.Error("a class has no end");
      ASSIGN_OR_RETURN(const char32_t first, Character());
      char32_t last = first;
      if (cursor_.Peek() == '-' && cursor_.Peek(1) != ']') {
        cursor_.Skip(1);
        if (cursor_.done()) return cursor_.Error("a class has no end");
        ASSIGN_OR_RETURN(last, Character());
      }
      if (first > last) return cursor_.Error("a range is out of order");
      ranges.push_back({first, last});
    }
    const CodePointSet set(std::move(ranges));
    return Expression::Chars(negated ? set.Complement() : set);
  }

  absl::StatusOr<char32_t> Character() {
    if (!cursor_.Take("\\")) return cursor_.Next();
    const char kind = cursor_.Peek();
    cursor_.Skip(cursor_.done() ? 0 : 1);
    absl::StatusOr<char32_t> character = char32_t{0};
    switch (kind) {
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case '"':
      case '\\':
      case '[':
      case ']':
        return static_cast<char32_t>(kind);
      case 'x':
        character = cursor_.Hex(2);
        break;
      case 'u':
        character = cursor_.Hex(4);
        break;
      case 'U':
        character = cursor_.Hex(8);
        break;
      default:
        return cursor_.Error("unknown escape");
    }
    if (character.ok() &&
        (*character > 0x10FFFF || (*character >= 0xD800 && *character < 0xE000))) {
      return cursor_.Error("an escape is no character");
    }
    return character;
  }

  TextCursor cursor_;
  GrammarBuilder builder_;
  std::map<std::string, RuleId> rules_;
  std::vector<bool> defined_;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Grammar>> ParseGbnf(std::string_view text) {
  if (text.size() > kMostBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("grammar: got ", text.size(), " bytes, expected at most ", kMostBytes));
  }
  if (FindInvalidUtf8(text).has_value()) {
    return absl::InvalidArgumentError("grammar: expected UTF-8");
  }
  return Parser(text).Parse();
}

}  // namespace recycling::constraint
