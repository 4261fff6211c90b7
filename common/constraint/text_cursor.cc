#include "common/constraint/text_cursor.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/constraint/expression.h"
#include "common/tokenizer/utf8.h"

namespace recycling::constraint {

char32_t TextCursor::Next() {
  Utf8Reader reader(text_.substr(at_));
  const char32_t character = reader.Next().value_or(U'\uFFFD');
  at_ += std::max<std::size_t>(reader.position(), 1);
  return character;
}

absl::StatusOr<char32_t> TextCursor::Hex(std::size_t digits) {
  char32_t value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const char digit = Peek();
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(digit))) {
      return Error(absl::StrCat("expected ", digits, " hexadecimal digits"));
    }
    const int low = absl::ascii_isdigit(static_cast<unsigned char>(digit))
                        ? digit - '0'
                        : absl::ascii_tolower(static_cast<unsigned char>(digit)) - 'a' + 10;
    value = value * 16 + static_cast<char32_t>(low);
    ++at_;
  }
  return value;
}

std::optional<std::uint32_t> TextCursor::Number() {
  constexpr std::uint32_t kMost = std::uint32_t{1} << 31;
  if (!absl::ascii_isdigit(static_cast<unsigned char>(Peek()))) return std::nullopt;
  std::uint64_t value = 0;
  while (absl::ascii_isdigit(static_cast<unsigned char>(Peek()))) {
    value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(Peek() - '0'), kMost);
    ++at_;
  }
  return static_cast<std::uint32_t>(value);
}

absl::Status TextCursor::Error(std::string_view message) const {
  return absl::InvalidArgumentError(
      absl::StrCat(what_, ": byte ", at_, ": ", std::string(message)));
}

absl::StatusOr<std::optional<RepeatCount>> TakeRepeatCount(TextCursor& cursor) {
  if (cursor.Take("*")) return RepeatCount{.least = 0, .most = kUnbounded};
  if (cursor.Take("+")) return RepeatCount{.least = 1, .most = kUnbounded};
  if (cursor.Take("?")) return RepeatCount{.least = 0, .most = 1};
  if (cursor.Peek() != '{') return std::nullopt;
  TextCursor ahead = cursor;
  ahead.Skip(1);
  const std::optional<std::uint32_t> least = ahead.Number();
  if (!least.has_value()) return std::nullopt;
  RepeatCount count = {.least = *least, .most = *least};
  if (ahead.Take(",")) count.most = ahead.Number().value_or(kUnbounded);
  if (!ahead.Take("}")) return std::nullopt;
  if (count.least > count.most) return cursor.Error("the numbers of a repeat are out of order");
  cursor.Skip(ahead.position() - cursor.position());
  return count;
}

}  // namespace recycling::constraint
