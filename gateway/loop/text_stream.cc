#include "gateway/loop/text_stream.h"

#include <algorithm>

#include "common/tokenizer/utf8.h"

namespace recycling::gateway {

bool TextStream::Stop::Add(char byte) {
  while (matched > 0 && text[matched] != byte) matched = failure[matched - 1];
  if (text[matched] == byte) ++matched;
  return matched == text.size();
}

TextStream::TextStream(const std::vector<std::string>& stops) {
  for (const std::string& text : stops) {
    Stop stop{.text = text, .failure = std::vector<std::size_t>(text.size(), 0)};
    for (std::size_t i = 1, length = 0; i < text.size(); ++i) {
      while (length > 0 && text[i] != text[length]) length = stop.failure[length - 1];
      if (text[i] == text[length]) ++length;
      stop.failure[i] = length;
    }
    stops_.push_back(std::move(stop));
  }
}

std::string TextStream::Add(std::string_view token_bytes) {
  const std::size_t begin = released_ + held_.size();
  token_ends_.push_back(begin + token_bytes.size());
  held_.append(token_bytes);
  for (std::size_t i = 0; i < token_bytes.size(); ++i) {
    for (std::size_t s = 0; s < stops_.size(); ++s) {
      if (!stops_[s].Add(token_bytes[i])) continue;
      if (!match_ || stops_[s].text.size() > stops_[*match_].text.size()) match_ = s;
    }
    if (!match_) continue;
    const std::size_t start = begin + i + 1 - stops_[*match_].text.size();
    SettleUpTo(start);
    return ReleaseUpTo(start, /*last=*/true);
  }
  std::size_t maybe_stop = 0;
  for (const Stop& stop : stops_) maybe_stop = std::max(maybe_stop, stop.matched);
  const std::size_t end = begin + token_bytes.size() - maybe_stop;
  SettleUpTo(end);
  return ReleaseUpTo(end, /*last=*/false);
}

std::string TextStream::Finish() {
  settled_ = token_ends_.size();
  return ReleaseUpTo(released_ + held_.size(), /*last=*/true);
}

std::string TextStream::ReleaseUpTo(std::size_t end, bool last) {
  const std::size_t count = end - released_;
  std::string bytes = unfinished_ + held_.substr(0, count);
  held_.erase(0, count);
  released_ = end;
  const std::size_t whole = last ? bytes.size() : LengthWithoutUnfinishedUtf8(bytes);
  unfinished_ = bytes.substr(whole);
  bytes.resize(whole);
  return ReplaceInvalidUtf8(bytes);
}

void TextStream::SettleUpTo(std::size_t end) {
  // A token belongs to the output if it begins before `end`. A token without bytes also belongs to
  // it if its position is `end`.
  while (settled_ < token_ends_.size()) {
    const std::size_t token_begin = settled_ == 0 ? 0 : token_ends_[settled_ - 1];
    if (token_begin >= end && token_ends_[settled_] > end) break;
    ++settled_;
  }
}

}  // namespace recycling::gateway
