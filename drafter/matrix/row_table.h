// Rows of ids that many threads read and write at once. AdjacencyMatrix and PairMatrix store their
// rows here.
// Invariants:
//  1. A reader sees the whole row of one write, never a mixture of two.
//  2. Reading and writing allocate nothing and take no lock. If a writer changes a row during a
//     read, the reader reads the row again. A writer waits while another writer stores the same
//     row.
#ifndef RECYCLING_DRAFTER_MATRIX_ROW_TABLE_H_
#define RECYCLING_DRAFTER_MATRIX_ROW_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace recycling::drafter {

// Threads: all methods may be called from any thread at any time.
class RowTable {
 public:
  static constexpr std::uint32_t kMaxWidth = 127;

  // All rows are empty at first. Requires width in [1, kMaxWidth].
  RowTable(std::size_t rows, std::uint32_t width);

  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  // The bytes that a table takes: 8 + 4 * width for each row.
  static std::uint64_t MemoryBytes(std::size_t rows, std::uint32_t width);

  std::size_t rows() const { return rows_; }
  std::uint32_t width() const { return width_; }

  // Copies row `row` into `values`, which has room for `width` values. Returns the number of
  // values; 0 if the row was never written. Requires row < rows().
  std::uint32_t Read(std::size_t row, std::span<std::uint32_t> values) const;

  // True if the row was never written. Requires row < rows().
  bool IsEmpty(std::size_t row) const;

  // Replaces a row. Returns true if the row was empty before. Requires row < rows() and 1 to
  // width() values.
  bool Write(std::size_t row, std::span<const std::uint32_t> values);

 private:
  // The state of one row in one word: the number of writes so far, the number of values, and
  // whether a writer is storing the row now.
  using State = std::uint64_t;

  const std::size_t rows_;
  const std::uint32_t width_;
  const std::unique_ptr<std::atomic<State>[]> states_;          // [rows]
  const std::unique_ptr<std::atomic<std::uint32_t>[]> values_;  // [rows, width]
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_MATRIX_ROW_TABLE_H_
