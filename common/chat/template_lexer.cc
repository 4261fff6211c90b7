#include "common/chat/template_lexer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/unicode_text.h"
#include "common/tokenizer/utf8.h"

namespace recycling::chat {
namespace {

constexpr std::size_t kMaxNameBytes = 256;

bool IsAsciiDigit(char byte) { return byte >= '0' && byte <= '9'; }

int HexDigit(char byte) {
  if (IsAsciiDigit(byte)) return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (position_ < source_.size()) RETURN_IF_ERROR(TextAndTag());
    Add(TokenKind::kEnd, "", source_.size());
    return std::move(tokens_);
  }

 private:
  // Reads the text up to the next tag, and the tag.
  absl::Status TextAndTag() {
    std::size_t tag = position_;
    while (tag < source_.size() && !StartsTag(tag)) ++tag;
    if (tag >= source_.size()) {
      AddText(source_.substr(position_), position_);
      position_ = source_.size();
      return absl::OkStatus();
    }
    const char kind = source_[tag + 1];
    char sign = At(tag + 2);
    if (sign != '-' && sign != '+') sign = 0;
    std::string_view text = source_.substr(position_, tag - position_);
    if (sign == '-') {
      text.remove_suffix(TrailingSpace(text));
    } else if (sign == 0 && kind != '{') {
      const std::size_t line_break = text.rfind('\n');
      if (line_break != std::string_view::npos || at_line_start_) {
        const std::size_t line = line_break == std::string_view::npos ? 0 : line_break + 1;
        if (LeadingSpace(text.substr(line)) == text.size() - line) text = text.substr(0, line);
      }
    }
    AddText(text, position_);
    const std::size_t content = tag + 2 + (sign == 0 ? 0 : 1);
    if (kind == '#') return Comment(tag, content);
    if (kind == '%') {
      const std::size_t raw = RawContent(content);
      if (raw != 0) return Raw(tag, raw);
    }
    Add(kind == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, "", tag);
    position_ = content;
    return Tag(tag, kind == '{');
  }

  bool StartsTag(std::size_t position) const {
    if (source_[position] != '{') return false;
    const char next = At(position + 1);
    return next == '{' || next == '%' || next == '#';
  }

  char At(std::size_t position) const {
    return position < source_.size() ? source_[position] : '\0';
  }

  std::size_t SkipSpace(std::size_t position) const {
    return position + LeadingSpace(source_.substr(position));
  }

  // `end` is the position after the two characters that end a tag; `sign` the one before them.
  void EndTag(std::size_t end, char sign, bool trims_line_break) {
    position_ = end;
    if (sign == '-') {
      position_ = SkipSpace(end);
    } else if (sign != '+' && trims_line_break && At(end) == '\n') {
      ++position_;
    }
    at_line_start_ = source_[position_ - 1] == '\n';
  }

  absl::Status Comment(std::size_t tag, std::size_t content) {
    const std::size_t end = source_.find("#}", content);
    if (end == std::string_view::npos) return Error(tag, "the comment does not end");
    EndTag(end + 2, end > content ? source_[end - 1] : '\0', true);
    return absl::OkStatus();
  }

  // The position after {% raw %} if `content`, the position after its "{%", begins one; else 0.
  std::size_t RawContent(std::size_t content) const {
    std::size_t position = SkipSpace(content);
    if (source_.substr(position, 3) != "raw") return 0;
    position = SkipSpace(position + 3);
    if (source_.substr(position, 2) == "%}") return position + 2;
    return source_.substr(position, 3) == "-%}" ? SkipSpace(position + 3) : 0;
  }

  absl::Status Raw(std::size_t tag, std::size_t content) {
    for (std::size_t end = source_.find("{%", content); end != std::string_view::npos;
         end = source_.find("{%", end + 1)) {
      const char sign = At(end + 2);
      std::size_t position = SkipSpace(end + 2 + (sign == '-' || sign == '+' ? 1 : 0));
      if (source_.substr(position, 6) != "endraw") continue;
      position = SkipSpace(position + 6);
      const char end_sign = At(position);
      if (end_sign == '-' || end_sign == '+') ++position;
      if (source_.substr(position, 2) != "%}") continue;
      std::string_view text = source_.substr(content, end - content);
      if (sign == '-') {
        text.remove_suffix(TrailingSpace(text));
      } else if (sign != '+') {
        const std::size_t line = text.rfind('\n') + 1;  // 0 if there is none
        if (line > 0 && LeadingSpace(text.substr(line)) == text.size() - line) {
          text = text.substr(0, line);
        }
      }
      AddText(text, content);
      EndTag(position + 2, end_sign, true);
      return absl::OkStatus();
    }
    return Error(tag, "the raw block does not end");
  }

  absl::Status Tag(std::size_t tag, bool is_variable) {
    brackets_.clear();
    while (position_ < source_.size()) {
      if (brackets_.empty() && EndsTag(is_variable)) return absl::OkStatus();
      RETURN_IF_ERROR(TagToken());
    }
    return Error(tag, is_variable ? "{{ without }}" : "{% without %}");
  }

  // Whether the tag ends here; then reads its end.
  bool EndsTag(bool is_variable) {
    const std::string_view end = is_variable ? "}}" : "%}";
    const char sign = source_[position_];
    const bool has_sign = sign == '-' || (sign == '+' && !is_variable);
    if (source_.substr(position_ + (has_sign ? 1 : 0), 2) != end) return false;
    Add(is_variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "", position_);
    EndTag(position_ + (has_sign ? 3 : 2), has_sign ? sign : '\0', !is_variable);
    return true;
  }

  absl::Status TagToken() {
    const std::size_t space = LeadingSpace(source_.substr(position_));
    if (space > 0) {
      position_ += space;
      return absl::OkStatus();
    }
    const char byte = source_[position_];
    if (IsAsciiDigit(byte)) return Number();
    if (byte == '\'' || byte == '"') return String();
    const std::size_t name = NameLength();
    if (name > kMaxNameBytes) return Error(position_, absl::StrCat("a name of ", name, " bytes"));
    if (name > 0) {
      Add(TokenKind::kName, std::string(source_.substr(position_, name)), position_);
      position_ += name;
      return absl::OkStatus();
    }
    return Operator();
  }

  std::size_t NameLength() const {
    Utf8Reader reader(source_.substr(position_));
    std::size_t length = 0;
    while (!reader.done()) {
      const char32_t character = reader.Next().value_or(0xFFFD);
      if (character != '_' && !IsAlphanumeric(character)) break;
      length = reader.position();
    }
    return length;
  }

  // Digits with single underscores between them, from `position`; its end.
  std::size_t SkipDigits(std::size_t position) const {
    while (IsAsciiDigit(At(position)) || (At(position) == '_' && IsAsciiDigit(At(position + 1)) &&
                                          position > 0 && IsAsciiDigit(source_[position - 1]))) {
      ++position;
    }
    return position;
  }

  absl::Status Number() {
    const std::size_t begin = position_;
    std::size_t end = SkipDigits(begin);
    bool is_float = false;
    if (At(end) == '.' && IsAsciiDigit(At(end + 1))) {
      is_float = true;
      end = SkipDigits(end + 1);
    }
    if (At(end) == 'e' || At(end) == 'E') {
      const std::size_t digits = end + (At(end + 1) == '+' || At(end + 1) == '-' ? 2 : 1);
      if (IsAsciiDigit(At(digits))) {
        is_float = true;
        end = SkipDigits(digits);
      }
    }
    std::string text(source_.substr(begin, end - begin));
    std::erase(text, '_');
    if (!is_float && text.size() > 1 && text[0] == '0' &&
        text.find_first_not_of('0') != std::string::npos) {
      return Error(begin, "an integer begins with 0");
    }
    if (!is_float && text == "0" && std::string_view("xXbBoO").find(At(end)) < 6 && At(end) != 0) {
      return Error(begin, "only decimal integers are supported");
    }
    Add(is_float ? TokenKind::kFloat : TokenKind::kInteger, std::move(text), begin);
    position_ = end;
    return absl::OkStatus();
  }

  absl::Status String() {
    const std::size_t begin = position_;
    const char quote = source_[begin];
    std::string text;
    std::size_t i = begin + 1;
    while (i < source_.size() && source_[i] != quote) {
      if (source_[i] != '\\') {
        text.push_back(source_[i++]);
        continue;
      }
      ASSIGN_OR_RETURN(i, Escape(i, text));
    }
    if (i >= source_.size()) return Error(begin, "the string does not end");
    Add(TokenKind::kString, std::move(text), begin);
    position_ = i + 1;
    return absl::OkStatus();
  }

  // Appends what the escape at `backslash` means, as in a Python string. Its end.
  absl::StatusOr<std::size_t> Escape(std::size_t backslash, std::string& text) const {
    const char kind = At(backslash + 1);
    static constexpr std::string_view kNames = "abfnrtv\\'\"";
    static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const std::size_t simple = kNames.find(kind);
    if (simple != std::string_view::npos) {
      text.push_back(kMeanings[simple]);
      return backslash + 2;
    }
    if (kind == '\n') return backslash + 2;
    if (kind == 'N') return Error(backslash, "\\N{...} is not supported");
    if (kind == 'x' || kind == 'u' || kind == 'U') {
      const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
      std::uint32_t character = 0;
      for (std::size_t i = 0; i < digits; ++i) {
        const int digit = HexDigit(At(backslash + 2 + i));
        if (digit < 0) return Error(backslash, "an escape with too few hexadecimal digits");
        character = character * 16 + static_cast<std::uint32_t>(digit);
      }
      if (character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) {
        return Error(backslash, "an escape that is no Unicode character");
      }
      text.append(ToUtf8(character));
      return backslash + 2 + digits;
    }
    if (kind >= '0' && kind <= '7') {
      std::uint32_t character = 0;
      std::size_t i = backslash + 1;
      for (; i < backslash + 4 && At(i) >= '0' && At(i) <= '7'; ++i) {
        character = character * 8 + static_cast<std::uint32_t>(At(i) - '0');
      }
      text.append(ToUtf8(character));
      return i;
    }
    text.push_back('\\');  // Python keeps an escape that it does not know.
    return backslash + 1;
  }

  absl::Status Operator() {
    static constexpr std::array<std::string_view, 26> kOperators = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    const std::string_view rest = source_.substr(position_);
    const auto* found = std::find_if(kOperators.begin(), kOperators.end(),
                                     [&](std::string_view text) { return rest.starts_with(text); });
    if (found == kOperators.end()) {
      return Error(position_,
                   absl::StrCat("unexpected character '", ToUtf8(FirstCharacter(rest)), "'"));
    }
    const char byte = found->front();
    if (byte == '(' || byte == '[' || byte == '{') {
      brackets_.push_back(byte == '(' ? ')' : byte == '[' ? ']' : '}');
    } else if (byte == ')' || byte == ']' || byte == '}') {
      if (brackets_.empty() || brackets_.back() != byte) {
        return Error(position_, absl::StrCat("unexpected '", std::string(1, byte), "'"));
      }
      brackets_.pop_back();
    }
    Add(TokenKind::kOperator, std::string(*found), position_);
    position_ += found->size();
    return absl::OkStatus();
  }

  void Add(TokenKind kind, std::string text, std::size_t offset) {
    tokens_.push_back({kind, std::move(text), offset});
  }
  void AddText(std::string_view text, std::size_t offset) {
    if (!text.empty()) Add(TokenKind::kText, std::string(text), offset);
  }
  absl::Status Error(std::size_t offset, std::string_view message) const {
    return ErrorAt(source_, offset, message);
  }

  std::string_view source_;
  std::size_t position_ = 0;
  bool at_line_start_ = true;  // whether what was read before position_ ends with a line break
  std::string brackets_;       // the closing ones that are still to come in this tag
  std::vector<Token> tokens_;
};

}  // namespace

absl::Status ErrorAt(std::string_view source, std::size_t offset, std::string_view message) {
  const std::string_view before = source.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t column = offset - (before.rfind('\n') + 1) + 1;
  return absl::InvalidArgumentError(
      absl::StrCat("line ", line, ", column ", column, ": ", std::string(message)));
}

std::string NormalizeLineBreaks(std::string_view source) {
  std::string normalized;
  normalized.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      normalized.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      normalized.push_back(source[i]);
    }
  }
  if (normalized.ends_with('\n')) normalized.pop_back();
  return normalized;
}

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source) { return Lexer(source).Run(); }

}  // namespace recycling::chat
