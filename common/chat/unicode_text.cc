#include "common/chat/unicode_text.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>

#include <cstdint>
#include <cstring>

#include "common/tokenizer/utf8.h"

namespace recycling::chat {
namespace {

bool StartsCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

UChar32 ForIcu(char32_t character) { return static_cast<UChar32>(character); }

bool IsLineBreak(char32_t character) {
  return (character >= 0x0A && character <= 0x0D) || (character >= 0x1C && character <= 0x1E) ||
         character == 0x85 || character == 0x2028 || character == 0x2029;
}

using CaseMapping = void (*)(const char* locale, std::uint32_t options, icu::StringPiece source,
                             icu::ByteSink& sink, icu::Edits* edits, UErrorCode& error);

std::string MapCase(CaseMapping mapping, std::string_view text) {
  std::string result;
  icu::StringByteSink<std::string> sink(&result);
  UErrorCode error = U_ZERO_ERROR;
  mapping("", 0, icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())), sink,
          nullptr, error);
  return result;
}

}  // namespace

std::vector<std::size_t> CharacterOffsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (StartsCharacter(text[i])) offsets.push_back(i);
  }
  offsets.push_back(text.size());
  return offsets;
}

std::size_t CountCharacters(std::string_view text) {
  std::size_t count = 0;
  for (const char byte : text) count += StartsCharacter(byte) ? 1 : 0;
  return count;
}

std::size_t OffsetOfCharacter(std::string_view text, std::size_t index) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (StartsCharacter(text[i]) && index-- == 0) return i;
  }
  return text.size();
}

std::size_t FindBytes(std::string_view text, std::string_view needle, std::size_t begin) {
  if (begin > text.size()) return std::string_view::npos;
  if (needle.empty()) return begin;
  // memmem takes linear time, which std::string_view::find does not.
  const void* found =
      memmem(text.data() + begin, text.size() - begin, needle.data(), needle.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

std::size_t FindLastBytes(std::string_view text, std::string_view needle) {
  const std::string reversed(text.rbegin(), text.rend());
  const std::size_t found = FindBytes(reversed, std::string(needle.rbegin(), needle.rend()));
  return found == std::string_view::npos ? found : text.size() - found - needle.size();
}

std::string Excerpt(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && !StartsCharacter(text[bytes])) --bytes;
  return std::string(text.substr(0, bytes)) + "...";
}

char32_t FirstCharacter(std::string_view text) { return Utf8Reader(text).Next().value_or(0xFFFD); }

bool IsSpace(char32_t character) {
  if (character < 0x80) {
    return (character >= 0x09 && character <= 0x0D) || (character >= 0x1C && character <= 0x20);
  }
  return character == 0x85 || u_isUWhiteSpace(ForIcu(character)) != 0;
}

bool IsAlphabetic(char32_t character) { return u_isalpha(ForIcu(character)) != 0; }

bool IsAlphanumeric(char32_t character) { return IsAlphabetic(character) || IsNumeric(character); }

bool IsDecimal(char32_t character) {
  return u_getIntPropertyValue(ForIcu(character), UCHAR_NUMERIC_TYPE) == U_NT_DECIMAL;
}

bool IsNumeric(char32_t character) {
  return u_getIntPropertyValue(ForIcu(character), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

bool IsDigit(char32_t character) {
  const int type = u_getIntPropertyValue(ForIcu(character), UCHAR_NUMERIC_TYPE);
  return type == U_NT_DECIMAL || type == U_NT_DIGIT;
}

bool IsUpper(char32_t character) { return u_isUUppercase(ForIcu(character)) != 0; }
bool IsLower(char32_t character) { return u_isULowercase(ForIcu(character)) != 0; }

bool IsPrintable(char32_t character) {
  if (character == ' ') return true;
  switch (u_charType(ForIcu(character))) {
    case U_UNASSIGNED:
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_SURROGATE:
    case U_PRIVATE_USE_CHAR:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
    case U_SPACE_SEPARATOR:
      return false;
    default:
      return true;
  }
}

std::size_t LastCharacterOffset(std::string_view text) {
  std::size_t offset = text.size() - 1;
  while (offset > 0 && !StartsCharacter(text[offset])) --offset;
  return offset;
}

std::size_t LeadingSpace(std::string_view text) {
  Utf8Reader reader(text);
  std::size_t length = 0;
  while (!reader.done() && IsSpace(reader.Next().value_or(0xFFFD))) length = reader.position();
  return length;
}

std::size_t TrailingSpace(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0) {
    const std::size_t character = LastCharacterOffset(text.substr(0, begin));
    if (!IsSpace(FirstCharacter(text.substr(character)))) break;
    begin = character;
  }
  return text.size() - begin;
}

std::string ToUpper(std::string_view text) { return MapCase(icu::CaseMap::utf8ToUpper, text); }
std::string ToLower(std::string_view text) { return MapCase(icu::CaseMap::utf8ToLower, text); }

std::string FoldCase(std::string_view text) {
  std::string result;
  icu::StringByteSink<std::string> sink(&result);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8Fold(0, icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())),
                         sink, nullptr, error);
  return result;
}

std::string ToTitle(std::string_view text) {
  std::string result;
  icu::StringByteSink<std::string> sink(&result);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8ToTitle("", U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr,
                            icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())),
                            sink, nullptr, error);
  return result;
}

std::vector<Line> SplitLines(std::string_view text) {
  std::vector<Line> lines;
  Utf8Reader reader(text);
  std::size_t begin = 0;
  while (!reader.done()) {
    const std::size_t position = reader.position();
    const char32_t character = reader.Next().value_or(0xFFFD);
    if (!IsLineBreak(character)) continue;
    if (character == '\r' && text.substr(reader.position()).starts_with('\n')) reader.Next();
    lines.push_back({begin, position, reader.position()});
    begin = reader.position();
  }
  if (begin < text.size()) lines.push_back({begin, text.size(), text.size()});
  return lines;
}

}  // namespace recycling::chat
