#ifndef RECYCLING_COMMON_TOKENIZER_UTF8_H_
#define RECYCLING_COMMON_TOKENIZER_UTF8_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace recycling {

// Walks over the characters of a text of less than 2^31 bytes. The text must outlive the reader.
class Utf8Reader {
 public:
  explicit Utf8Reader(std::string_view text) : text_(text) {}

  bool done() const { return position_ == text_.size(); }
  // Bytes read so far.
  std::size_t position() const { return position_; }
  // The next character; nothing if it is not well-formed UTF-8. Call only while not done.
  std::optional<char32_t> Next();

 private:
  std::string_view text_;
  std::size_t position_ = 0;
};

// Offset of the first byte that is not part of well-formed UTF-8; nothing if there is none.
std::optional<std::size_t> FindInvalidUtf8(std::string_view text);

// `text` with U+FFFD in place of each part that is not well-formed UTF-8: one for each maximal
// part, as the Unicode standard recommends (chapter 3, "U+FFFD Substitution of Maximal Subparts").
std::string ReplaceInvalidUtf8(std::string_view text);

// Length in bytes of `text` without the unfinished character at its end, if there is one: at most
// three bytes that are well-formed so far.
std::size_t LengthWithoutUnfinishedUtf8(std::string_view text);

// UTF-8 of a code point.
std::string ToUtf8(char32_t character);

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_UTF8_H_
