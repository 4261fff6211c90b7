#ifndef RECYCLING_COMMON_CONSTRAINT_TEXT_CURSOR_H_
#define RECYCLING_COMMON_CONSTRAINT_TEXT_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace recycling::constraint {

// Reads the text of a pattern or of a grammar, character by character. Threads: one.
class TextCursor {
 public:
  // `what` names the text in errors. It must be well-formed UTF-8 and outlive the cursor.
  TextCursor(std::string_view what, std::string_view text) : what_(what), text_(text) {}

  bool done() const { return at_ == text_.size(); }
  std::size_t position() const { return at_; }
  // The byte here, or further on; 0 at the end.
  char Peek(std::size_t further = 0) const {
    return at_ + further < text_.size() ? text_[at_ + further] : '\0';
  }
  bool StartsWith(std::string_view next) const {
    return text_.substr(at_).substr(0, next.size()) == next;
  }
  // Reads `next` if it is here.
  bool Take(std::string_view next) {
    if (!StartsWith(next)) return false;
    at_ += next.size();
    return true;
  }
  void Skip(std::size_t bytes) { at_ += bytes; }

  // The next character. Call only while not done.
  char32_t Next();

  // The value of exactly `digits` hexadecimal digits.
  absl::StatusOr<char32_t> Hex(std::size_t digits);
  // A decimal number; nothing if there is no digit here. More than 2^31 counts as 2^31.
  std::optional<std::uint32_t> Number();

  // InvalidArgument with `message` and the byte.
  absl::Status Error(std::string_view message) const;

 private:
  const std::string what_;
  const std::string_view text_;
  std::size_t at_ = 0;
};

// How often something may be repeated: of "*", "+", "?", "{n}", "{n,}" and "{n,m}".
struct RepeatCount {
  std::uint32_t least = 1;
  std::uint32_t most = 1;
};
// Reads a count; nothing if there is none here. A brace that begins no count is none.
absl::StatusOr<std::optional<RepeatCount>> TakeRepeatCount(TextCursor& cursor);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_TEXT_CURSOR_H_
