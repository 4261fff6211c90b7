#include "common/tokenizer/utf8.h"

#include <unicode/utf8.h>

#include <cstdint>

namespace recycling {

std::optional<char32_t> Utf8Reader::Next() {
  const char* text = text_.data();
  auto i = static_cast<std::int32_t>(position_);
  const auto size = static_cast<std::int32_t>(text_.size());
  UChar32 character;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // in the library's macro
  U8_NEXT(text, i, size, character);
#pragma GCC diagnostic pop
  position_ = static_cast<std::size_t>(i);
  if (character < 0) return std::nullopt;
  return static_cast<char32_t>(character);
}

std::optional<std::size_t> FindInvalidUtf8(std::string_view text) {
  Utf8Reader reader(text);
  while (!reader.done()) {
    const std::size_t begin = reader.position();
    if (!reader.Next().has_value()) return begin;
  }
  return std::nullopt;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string valid;
  valid.reserve(text.size());
  Utf8Reader reader(text);
  while (!reader.done()) {
    const std::size_t begin = reader.position();
    const bool is_character = reader.Next().has_value();
    valid += is_character ? text.substr(begin, reader.position() - begin) : kReplacement;
  }
  return valid;
}

std::size_t LengthWithoutUnfinishedUtf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  auto length = static_cast<std::int32_t>(text.size());
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // in the library's macro
  U8_TRUNCATE_IF_INCOMPLETE(bytes, 0, length);
#pragma GCC diagnostic pop
  return static_cast<std::size_t>(length);
}

std::string ToUtf8(char32_t character) {
  char buffer[U8_MAX_LENGTH];
  std::int32_t size = 0;
  U8_APPEND_UNSAFE(buffer, size, character);
  return std::string(buffer, static_cast<std::size_t>(size));
}

}  // namespace recycling
