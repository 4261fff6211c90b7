// What Python's strings know of Unicode. Texts are well-formed UTF-8.
#ifndef RECYCLING_COMMON_CHAT_UNICODE_TEXT_H_
#define RECYCLING_COMMON_CHAT_UNICODE_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace recycling::chat {

// The offset of each character of `text`, and text.size().
std::vector<std::size_t> CharacterOffsets(std::string_view text);
std::size_t CountCharacters(std::string_view text);
// The character at the start of `text`, which is not empty.
char32_t FirstCharacter(std::string_view text);

// As str.isspace, str.isalpha, str.isalnum, str.isdigit, str.isupper, str.islower and
// str.isprintable say of one character.
bool IsSpace(char32_t character);
bool IsAlphabetic(char32_t character);
bool IsAlphanumeric(char32_t character);
bool IsDigit(char32_t character);
bool IsUpper(char32_t character);
bool IsLower(char32_t character);
bool IsPrintable(char32_t character);

// Bytes of white space at the start and at the end of `text`.
std::size_t LeadingSpace(std::string_view text);
std::size_t TrailingSpace(std::string_view text);

std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
// The first character in title case, the others in lower case.
std::string ToTitle(std::string_view text);

// The end of each line of `text` as str.splitlines cuts it: `content_end` is without the line
// break, `end` with it.
struct Line {
  std::size_t begin;
  std::size_t content_end;
  std::size_t end;
};
std::vector<Line> SplitLines(std::string_view text);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_UNICODE_TEXT_H_
