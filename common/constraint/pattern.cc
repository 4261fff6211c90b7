#include "common/constraint/pattern.h"

#include <unicode/uniset.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <map>
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

constexpr std::size_t kMostBytes = 8 << 10;
constexpr int kMostDepth = 50;  // of groups

// The characters of ICU's set `name`. Empty if there is no such set.
CodePointSet IcuSet(const std::string& name) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeSet found(icu::UnicodeString::fromUTF8(name), error);
  std::vector<CodePointRange> ranges;
  for (std::int32_t i = 0; U_SUCCESS(error) && i < found.getRangeCount(); ++i) {
    ranges.push_back({static_cast<char32_t>(found.getRangeStart(i)),
                      static_cast<char32_t>(found.getRangeEnd(i))});
  }
  return CodePointSet(std::move(ranges));
}

// A class of characters in the dialects: what it has in all of them, and what it has in any.
struct DialectClass {
  CodePointSet narrow;
  CodePointSet wide;

  DialectClass Complement() const { return {wide.Complement(), narrow.Complement()}; }
};

struct Classes {
  DialectClass digit;
  DialectClass word;
  DialectClass space;
  DialectClass dot;
};

const Classes& AllClasses() {
  static const Classes* const classes = [] {
    const CodePointSet spaces({{0x9, 0xD},
                               {0x20, 0x20},
                               {0xA0, 0xA0},
                               {0x1680, 0x1680},
                               {0x2000, 0x200A},
                               {0x2028, 0x2029},
                               {0x202F, 0x202F},
                               {0x205F, 0x205F},
                               {0x3000, 0x3000}});
    return new Classes{
        .digit = {{{'0', '9'}}, IcuSet("[\\p{Nd}]")},
        .word = {{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                 IcuSet("[\\p{L}\\p{M}\\p{N}\\p{Pc}\\u200C\\u200D]")},
        .space = {spaces,
                  spaces.Union({{0x1C, 0x1F}, {0x85, 0x85}, {0x180E, 0x180E}, {0xFEFF, 0xFEFF}})},
        .dot = {CodePointSet({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}).Complement(),
                CodePointSet({{'\n', '\n'}}).Complement()}};
  }();
  return *classes;
}

// An alternative, with what stood at its ends.
struct Anchored {
  Expression expression;
  bool at_start = false;
  bool at_end = false;
};

class Parser {
 public:
  Parser(std::string_view pattern, const SpellChars& spell, Dialects dialects)
      : cursor_("pattern", pattern), spell_(spell), dialects_(dialects) {}

  absl::StatusOr<Expression> Parse() {
    ASSIGN_OR_RETURN(const std::vector<Anchored> alternatives, Alternatives());
    if (!cursor_.done()) return cursor_.Error("unmatched \")\"");
    const Expression any = Expression::Repeat(Spell(CodePointSet::All()), 0, kUnbounded);
    std::vector<Expression> choices;
    for (const Anchored& alternative : alternatives) {
      std::vector<Expression> parts;
      if (!alternative.at_start) parts.push_back(any);
      parts.push_back(alternative.expression);
      if (!alternative.at_end) parts.push_back(any);
      choices.push_back(Expression::Sequence(std::move(parts)));
    }
    return Expression::Choice(std::move(choices));
  }

 private:
  absl::StatusOr<std::vector<Anchored>> Alternatives() {
    if (++depth_ > kMostDepth) {
      return cursor_.Error(absl::StrCat("groups nest deeper than ", kMostDepth, " levels"));
    }
    std::vector<Anchored> alternatives;
    do {
      ASSIGN_OR_RETURN(Anchored alternative, Alternative());
      alternatives.push_back(std::move(alternative));
    } while (cursor_.Take("|"));
    --depth_;
    return alternatives;
  }

  absl::StatusOr<Anchored> Alternative() {
    Anchored result;
    while (cursor_.Take("^")) result.at_start = true;
    std::vector<Expression> parts;
    while (!cursor_.done() && cursor_.Peek() != '|' && cursor_.Peek() != ')') {
      if (cursor_.Peek() == '^') return cursor_.Error("\"^\" in the middle is not supported");
      if (cursor_.Take("$")) {
        result.at_end = true;
        if (cursor_.done() || cursor_.Peek() == '|' || cursor_.Peek() == ')' ||
            cursor_.Peek() == '$') {
          continue;
        }
        return cursor_.Error("\"$\" in the middle is not supported");
      }
      // A group that is the whole alternative passes its anchors on.
      const bool first = parts.empty();
      std::vector<Anchored> group;
      ASSIGN_OR_RETURN(Expression part, Atom(group));
      ASSIGN_OR_RETURN(const auto count, TakeRepeatCount(cursor_));
      const bool anchors = std::any_of(group.begin(), group.end(), [](const Anchored& one) {
        return one.at_start || one.at_end;
      });
      if (anchors) {
        const bool last = cursor_.done() || cursor_.Peek() == '|' || cursor_.Peek() == ')';
        const auto same = [&](const Anchored& one) {
          return one.at_start == group[0].at_start && one.at_end == group[0].at_end;
        };
        if (count.has_value() || !std::all_of(group.begin(), group.end(), same) ||
            (group[0].at_start && !first) || (group[0].at_end && !last)) {
          return cursor_.Error("\"^\" or \"$\" within this group is not supported");
        }
        result.at_start = result.at_start || group[0].at_start;
        result.at_end = result.at_end || group[0].at_end;
      }
      if (count.has_value()) {
        cursor_.Take("?");  // a lazy repeat matches the same texts
        part = Expression::Repeat(std::move(part), count->least, count->most);
      }
      parts.push_back(std::move(part));
    }
    result.expression = Expression::Sequence(std::move(parts));
    return result;
  }

  absl::StatusOr<Expression> Atom(std::vector<Anchored>& group) {
    if (cursor_.Take("(")) return Group(group);
    if (cursor_.Take("[")) {
      ASSIGN_OR_RETURN(const CodePointSet set, Class());
      return Spell(set);
    }
    if (cursor_.Take(".")) return Spell(Of(AllClasses().dot));
    if (cursor_.Peek() == '*' || cursor_.Peek() == '+' || cursor_.Peek() == '?') {
      return cursor_.Error("nothing to repeat");
    }
    if (cursor_.StartsWith("{,")) return cursor_.Error("a count without its first number");
    if (cursor_.Take("\\")) {
      ASSIGN_OR_RETURN(const CodePointSet set, Escape(/*in_class=*/false));
      return Spell(set);
    }
    const char32_t character = cursor_.Next();
    return Spell({{character, character}});
  }

  absl::StatusOr<Expression> Group(std::vector<Anchored>& group) {
    for (const std::string_view look : {"?=", "?!", "?<=", "?<!"}) {
      if (cursor_.StartsWith(look)) {
        return cursor_.Error(
            absl::StrCat("look-around \"(", std::string(look), "\" is not supported"));
      }
    }
    if (cursor_.Take("?<") || cursor_.Take("?P<")) {
      while (!cursor_.done() && cursor_.Peek() != '>') cursor_.Skip(1);
      if (!cursor_.Take(">")) return cursor_.Error("the name of a group has no end");
    } else if (!cursor_.Take("?:") && cursor_.Peek() == '?') {
      return cursor_.Error("unknown kind of group");
    }
    ASSIGN_OR_RETURN(group, Alternatives());
    if (!cursor_.Take(")")) return cursor_.Error("expected \")\"");
    std::vector<Expression> choices;
    for (const Anchored& alternative : group) choices.push_back(alternative.expression);
    return Expression::Choice(std::move(choices));
  }

  absl::StatusOr<CodePointSet> Class() {
    const bool negated = cursor_.Take("^");
    // What all dialects leave out is what any of them has.
    complement_ = negated;
    std::vector<CodePointRange> ranges;
    while (!cursor_.Take("]")) {
      if (cursor_.done()) return cursor_.Error("expected \"]\"");
      ASSIGN_OR_RETURN(const CodePointSet first, ClassAtom());
      if (cursor_.Peek() != '-' || cursor_.Peek(1) == ']' || !IsSingle(first)) {
        ranges.insert(ranges.end(), first.ranges().begin(), first.ranges().end());
        continue;
      }
      cursor_.Skip(1);
      if (cursor_.done()) return cursor_.Error("expected \"]\"");
      ASSIGN_OR_RETURN(const CodePointSet last, ClassAtom());
      if (!IsSingle(last)) return cursor_.Error("a range ends with a class");
      const CodePointRange range = {first.ranges()[0].first, last.ranges()[0].first};
      if (range.first > range.last) return cursor_.Error("a range is out of order");
      ranges.push_back(range);
    }
    complement_ = false;
    const CodePointSet set(std::move(ranges));
    return negated ? set.Complement() : set;
  }

  static bool IsSingle(const CodePointSet& set) {
    return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
  }

  absl::StatusOr<CodePointSet> ClassAtom() {
    if (cursor_.Take("\\")) return Escape(/*in_class=*/true);
    const char32_t character = cursor_.Next();
    return CodePointSet({{character, character}});
  }

  // After the backslash.
  absl::StatusOr<CodePointSet> Escape(bool in_class) {
    if (cursor_.done()) return cursor_.Error("a backslash ends the pattern");
    const char next = cursor_.Peek();
    const auto one = [](char32_t character) { return CodePointSet({{character, character}}); };
    if ((!in_class && (next == 'b' || next == 'B')) || next == 'A' || next == 'Z' || next == 'z') {
      return cursor_.Error(absl::StrCat("\"\\", std::string(1, next), "\" is not supported"));
    }
    if ((next >= '1' && next <= '9') || next == 'k') {
      return cursor_.Error("back-references are not supported");
    }
    if (next == 'p' || next == 'P') return Property();
    if (next == 'u' || next == 'x') {
      ASSIGN_OR_RETURN(const char32_t character, HexEscape());
      if (one(character).empty())
        return cursor_.Error("a half of a surrogate pair is no character");
      return one(character);
    }
    const char32_t character = cursor_.Next();
    switch (character) {
      case 'd':
        return Of(AllClasses().digit);
      case 'D':
        return Of(AllClasses().digit.Complement());
      case 'w':
        return Of(AllClasses().word);
      case 'W':
        return Of(AllClasses().word.Complement());
      case 's':
        return Of(AllClasses().space);
      case 'S':
        return Of(AllClasses().space.Complement());
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'b':  // in a class
        return one('\b');
      case '0':
        if (absl::ascii_isdigit(static_cast<unsigned char>(cursor_.Peek()))) {
          return cursor_.Error("octal escapes are not supported");
        }
        return one(0);
      case 'c': {
        const char32_t letter = cursor_.done() ? 0 : cursor_.Next();
        if (letter > 'z' || !absl::ascii_isalpha(static_cast<unsigned char>(letter))) {
          return cursor_.Error("expected a letter after \"\\c\"");
        }
        return one(letter % 32);
      }
      default:
        break;
    }
    if (character < 0x80 && absl::ascii_isalpha(static_cast<unsigned char>(character))) {
      return cursor_.Error(absl::StrCat("unknown escape \"\\", ToUtf8(character), "\""));
    }
    return one(character);
  }

  // "xHH", "uHHHH" or "u{H...}".
  absl::StatusOr<char32_t> HexEscape() {
    if (cursor_.Take("x")) return cursor_.Hex(2);
    cursor_.Skip(1);
    if (cursor_.Take("{")) {
      std::size_t digits = 0;
      while (absl::ascii_isxdigit(static_cast<unsigned char>(cursor_.Peek(digits)))) ++digits;
      if (digits == 0 || digits > 6) return cursor_.Error("expected 1 to 6 hexadecimal digits");
      ASSIGN_OR_RETURN(const char32_t character, cursor_.Hex(digits));
      if (!cursor_.Take("}")) return cursor_.Error("expected \"}\"");
      return character;
    }
    ASSIGN_OR_RETURN(const char32_t character, cursor_.Hex(4));
    const bool high = character >= 0xD800 && character < 0xDC00;
    if (!high || !cursor_.Take("\\u")) return character;
    ASSIGN_OR_RETURN(const char32_t low, cursor_.Hex(4));
    if (low < 0xDC00 || low > 0xDFFF) return cursor_.Error("a surrogate has no second half");
    return 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
  }

  // "p{NAME}" or "P{NAME}".
  absl::StatusOr<CodePointSet> Property() {
    const bool negated = cursor_.Peek() == 'P';
    cursor_.Skip(1);
    std::string name;
    if (cursor_.Take("{")) {
      while (absl::ascii_isalnum(static_cast<unsigned char>(cursor_.Peek())) ||
             cursor_.Peek() == '_' || cursor_.Peek() == '=') {
        name += cursor_.Peek();
        cursor_.Skip(1);
      }
      if (!cursor_.Take("}")) name.clear();
    }
    const CodePointSet set = IcuSet(absl::StrCat("[\\p{", name, "}]"));
    if (name.empty() || set.empty()) return cursor_.Error("unknown property of characters");
    return negated ? set.Complement() : set;
  }

  // The same sets come again and again, so their expressions are shared.
  Expression Spell(const CodePointSet& set) {
    const auto known = spelled_.find(set.ranges());
    if (known != spelled_.end()) return known->second;
    return spelled_.emplace(set.ranges(), spell_(set)).first->second;
  }

  CodePointSet Of(const DialectClass& one) const {
    return (dialects_ == Dialects::kAll) != complement_ ? one.narrow : one.wide;
  }

  TextCursor cursor_;
  const SpellChars& spell_;
  const Dialects dialects_;
  bool complement_ = false;  // within a negated class
  std::map<std::vector<CodePointRange>, Expression> spelled_;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<Expression> ParsePattern(std::string_view pattern, const SpellChars& spell,
                                        Dialects dialects) {
  if (pattern.size() > kMostBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern: got ", pattern.size(), " bytes, expected at most ", kMostBytes));
  }
  if (FindInvalidUtf8(pattern).has_value()) {
    return absl::InvalidArgumentError("pattern: expected UTF-8");
  }
  return Parser(pattern, spell, dialects).Parse();
}

}  // namespace recycling::constraint
