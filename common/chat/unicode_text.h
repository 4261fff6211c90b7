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
// The offset of the character `index`, or text.size() if there are not so many.
std::size_t OffsetOfCharacter(std::string_view text, std::size_t index);
// The offset of the first or last `needle` in `text`, from `begin` on; npos if there is none. Takes
// time linear in both lengths, whatever they hold.
std::size_t FindBytes(std::string_view text, std::string_view needle, std::size_t begin = 0);
std::size_t FindLastBytes(std::string_view text, std::string_view needle);
// At most the first `bytes` bytes of `text`, for a message: without a part of a character.
std::string Excerpt(std::string_view text, std::size_t bytes = 80);
// The character at the start of `text`, which is not empty.
char32_t FirstCharacter(std::string_view text);

// As str.isspace, str.isalpha, str.isalnum, str.isdigit, str.isdecimal, str.isnumeric, str.isupper,
// str.islower and str.isprintable say of one character.
bool IsSpace(char32_t character);
bool IsAlphabetic(char32_t character);
bool IsAlphanumeric(char32_t character);
bool IsDigit(char32_t character);
bool IsDecimal(char32_t character);
bool IsNumeric(char32_t character);
bool IsUpper(char32_t character);
bool IsLower(char32_t character);
bool IsPrintable(char32_t character);

// The offset of the last character of `text`, which is not empty.
std::size_t LastCharacterOffset(std::string_view text);

// Bytes of white space at the start and at the end of `text`.
std::size_t LeadingSpace(std::string_view text);
std::size_t TrailingSpace(std::string_view text);

std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
std::string FoldCase(std::string_view text);
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
