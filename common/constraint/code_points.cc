#include "common/constraint/code_points.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "common/tokenizer/utf8.h"

namespace recycling::constraint {
namespace {

constexpr char32_t kLast = 0x10FFFF;
constexpr char32_t kFirstSurrogate = 0xD800;
constexpr char32_t kLastSurrogate = 0xDFFF;
// The last code point of each length in UTF-8.
constexpr std::array<char32_t, 4> kLastOfLength = {0x7F, 0x7FF, 0xFFFF, kLast};

// Sorts ranges and joins those that overlap or touch.
std::vector<CodePointRange> Join(std::vector<CodePointRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<CodePointRange> joined;
  for (const CodePointRange& range : ranges) {
    if (range.first > range.last) continue;
    if (!joined.empty() && range.first <= joined.back().last + 1) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

// The parts of `range` that are scalar values.
void AddScalars(const CodePointRange& range, std::vector<CodePointRange>& to) {
  if (range.first < kFirstSurrogate) {
    to.push_back({range.first, std::min<char32_t>(range.last, kFirstSurrogate - 1)});
  }
  if (range.last > kLastSurrogate) {
    to.push_back(
        {std::max<char32_t>(range.first, kLastSurrogate + 1), std::min(range.last, kLast)});
  }
}

// Adds the sequences of first..last, whose UTF-8 has the same length. The low `tail` bytes of the
// two are looked at together; the bytes above are equal or free.
void AddSequences(char32_t first, char32_t last, std::vector<std::vector<ByteRange>>& to) {
  const std::string low = ToUtf8(first);
  const std::string high = ToUtf8(last);
  for (std::size_t tail = 1; tail < low.size(); ++tail) {
    // A block shares all but its last `tail` bytes. Cut where the range begins or ends inside of a
    // block and reaches into another one.
    const char32_t mask = (char32_t{1} << (6 * tail)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      AddSequences(first, first | mask, to);
      return AddSequences((first | mask) + 1, last, to);
    }
    if ((last & mask) != mask) {
      AddSequences(first, (last & ~mask) - 1, to);
      return AddSequences(last & ~mask, last, to);
    }
  }
  std::vector<ByteRange> sequence;
  for (std::size_t i = 0; i < low.size(); ++i) {
    sequence.push_back({static_cast<std::uint8_t>(low[i]), static_cast<std::uint8_t>(high[i])});
  }
  to.push_back(std::move(sequence));
}

}  // namespace

CodePointSet::CodePointSet(std::vector<CodePointRange> ranges) {
  std::vector<CodePointRange> scalars;
  for (const CodePointRange& range : Join(std::move(ranges))) AddScalars(range, scalars);
  ranges_ = std::move(scalars);
}

CodePointSet CodePointSet::All() { return CodePointSet({{0, kLast}}); }

bool CodePointSet::Contains(char32_t point) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), point,
                       [](char32_t value, const auto& range) { return value < range.first; });
  return after != ranges_.begin() && point <= std::prev(after)->last;
}

CodePointSet CodePointSet::Union(const CodePointSet& other) const {
  std::vector<CodePointRange> ranges = ranges_;
  ranges.insert(ranges.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePointSet(std::move(ranges));
}

CodePointSet CodePointSet::Intersection(const CodePointSet& other) const {
  std::vector<CodePointRange> ranges;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    ranges.push_back({std::max(a->first, b->first), std::min(a->last, b->last)});
    if (a->last < b->last) {
      ++a;
    } else {
      ++b;
    }
  }
  return CodePointSet(std::move(ranges));  // which drops the empty ones
}

CodePointSet CodePointSet::Complement() const {
  std::vector<CodePointRange> ranges;
  char32_t next = 0;
  for (const CodePointRange& range : ranges_) {
    if (range.first > next) ranges.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLast) ranges.push_back({next, kLast});
  return CodePointSet(std::move(ranges));
}

std::vector<std::vector<ByteRange>> Utf8Sequences(const CodePointSet& set) {
  std::vector<std::vector<ByteRange>> sequences;
  for (const CodePointRange& range : set.ranges()) {
    char32_t first = range.first;
    for (const char32_t last : kLastOfLength) {
      if (first > range.last) break;
      if (first > last) continue;
      AddSequences(first, std::min(range.last, last), sequences);
      first = last + 1;
    }
  }
  return sequences;
}

}  // namespace recycling::constraint
