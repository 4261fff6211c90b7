#include "common/chat/marked_text.h"

#include <algorithm>
#include <utility>

namespace recycling::chat {

MarkedText::MarkedText(std::string bytes, bool marked) : bytes_(std::move(bytes)) {
  if (marked) Mark(0, bytes_.size());
}

bool MarkedText::IsMarked(std::size_t position) const {
  const auto after =
      std::upper_bound(marked_.begin(), marked_.end(), position,
                       [](std::size_t p, const ByteRange& range) { return p < range.end; });
  return after != marked_.end() && after->begin <= position;
}

void MarkedText::Append(std::string_view bytes, bool marked) {
  bytes_.append(bytes);
  if (marked) Mark(bytes_.size() - bytes.size(), bytes_.size());
}

void MarkedText::Append(const MarkedText& text) { AppendRange(text, 0, text.size()); }

void MarkedText::AppendRange(const MarkedText& text, std::size_t begin, std::size_t end) {
  const std::size_t offset = bytes_.size();
  auto range =
      std::upper_bound(text.marked_.begin(), text.marked_.end(), begin,
                       [](std::size_t p, const ByteRange& other) { return p < other.end; });
  for (; range != text.marked_.end() && range->begin < end; ++range) {
    Mark(offset + std::max(range->begin, begin) - begin,
         offset + std::min(range->end, end) - begin);
  }
  bytes_.append(text.bytes_, begin, end - begin);
}

MarkedText MarkedText::Slice(std::size_t begin, std::size_t end) const {
  MarkedText slice;
  slice.AppendRange(*this, begin, end);
  return slice;
}

std::vector<MarkedText::Part> MarkedText::Parts() const {
  const std::string_view bytes = bytes_;
  std::vector<Part> parts;
  std::size_t position = 0;
  for (const ByteRange& range : marked_) {
    if (position < range.begin) {
      parts.push_back({bytes.substr(position, range.begin - position), false});
    }
    parts.push_back({bytes.substr(range.begin, range.end - range.begin), true});
    position = range.end;
  }
  if (position < bytes.size()) parts.push_back({bytes.substr(position), false});
  return parts;
}

void MarkedText::Mark(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!marked_.empty() && marked_.back().end == begin) {
    marked_.back().end = end;
  } else {
    marked_.push_back({begin, end});
  }
}

}  // namespace recycling::chat
