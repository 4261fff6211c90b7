// Text that remembers which of its bytes came from a message. A control token is read only from
// bytes without this mark, so that a user cannot write one.
#ifndef RECYCLING_COMMON_CHAT_MARKED_TEXT_H_
#define RECYCLING_COMMON_CHAT_MARKED_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/byte_range.h"

namespace recycling::chat {

class MarkedText {
 public:
  MarkedText() = default;
  // `marked`: whether the text came from a message.
  MarkedText(std::string bytes, bool marked);

  const std::string& bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  // The marked ranges: ascending, not empty; two of them neither overlap nor touch.
  const std::vector<ByteRange>& marked() const { return marked_; }
  // Whether the byte at `position` is marked. `position` < size().
  bool IsMarked(std::size_t position) const;
  bool HasMarks() const { return !marked_.empty(); }

  void Append(std::string_view bytes, bool marked);
  void Append(const MarkedText& text);
  // Appends the bytes of `text` from `begin` to `end`. `begin` <= `end` <= text.size().
  void AppendRange(const MarkedText& text, std::size_t begin, std::size_t end);

  // The bytes from `begin` to `end`. `begin` <= `end` <= size().
  MarkedText Slice(std::size_t begin, std::size_t end) const;

  // The parts that are wholly marked or wholly unmarked, in order, each as long as possible.
  struct Part {
    std::string_view bytes;  // valid while the text is
    bool marked;
  };
  std::vector<Part> Parts() const;

 private:
  void Mark(std::size_t begin, std::size_t end);

  std::string bytes_;
  std::vector<ByteRange> marked_;
};

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_MARKED_TEXT_H_
