// Sets of Unicode characters, and the UTF-8 bytes that spell them.
#ifndef RECYCLING_COMMON_CONSTRAINT_CODE_POINTS_H_
#define RECYCLING_COMMON_CONSTRAINT_CODE_POINTS_H_

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace recycling::constraint {

struct CodePointRange {
  char32_t first = 0;
  char32_t last = 0;  // inclusive
  auto operator<=>(const CodePointRange&) const = default;
};

// A set of Unicode scalar values: code points that are no surrogates. Threads: as an int.
class CodePointSet {
 public:
  CodePointSet() = default;
  // Surrogates and what is above U+10FFFF are left out. Ranges may overlap and have any order.
  explicit CodePointSet(std::vector<CodePointRange> ranges);
  CodePointSet(std::initializer_list<CodePointRange> ranges)
      : CodePointSet(std::vector<CodePointRange>(ranges)) {}

  static CodePointSet All();

  // Sorted; neither overlapping nor adjacent.
  const std::vector<CodePointRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool Contains(char32_t point) const;

  CodePointSet Union(const CodePointSet& other) const;
  CodePointSet Intersection(const CodePointSet& other) const;
  CodePointSet Complement() const;  // within All()

  bool operator==(const CodePointSet&) const = default;

 private:
  std::vector<CodePointRange> ranges_;
};

struct ByteRange {
  std::uint8_t first = 0;
  std::uint8_t last = 0;  // inclusive
  bool operator==(const ByteRange&) const = default;
};

// Sequences of 1 to 4 byte ranges. Together they match exactly the UTF-8 of the characters of
// `set`, and no two match the same bytes.
std::vector<std::vector<ByteRange>> Utf8Sequences(const CodePointSet& set);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_CODE_POINTS_H_
