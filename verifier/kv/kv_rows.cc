#include "verifier/kv/kv_rows.h"

#include <algorithm>
#include <cstring>

namespace recycling::verifier {

absl::Status KvRows::Reserve(const KvLayout& layout, std::size_t rows) {
  layout_ = layout;
  blocks_ = (rows + kKvBlockRows - 1) / kKvBlockRows;
  block_bytes_ = kKvBlockRows * (layout.key_length + layout.value_length) * layout.number_bytes();
  return bytes_.Reserve(layout.layers * layout.kv_heads * blocks_ * block_bytes_,
                        "keys and values");
}

void KvRows::Store(const VectorKernels& kernels, std::size_t layer, std::size_t head,
                   std::size_t row, const float* key, const float* value) {
  if (layout_.type == KvType::kF32) {
    Put(layer, head, row, key, value);
    return;
  }
  // Rounded in pieces: a key is spread over its block, number by number.
  constexpr std::size_t kPiece = 256;
  std::uint16_t halves[kPiece];
  auto* const keys =
      reinterpret_cast<std::uint16_t*>(bytes_.data() + At(layer, head, row / kKvBlockRows)) +
      row % kKvBlockRows;
  for (std::size_t begin = 0; begin < layout_.key_length; begin += kPiece) {
    const std::size_t count = std::min(kPiece, layout_.key_length - begin);
    kernels.to_half(key + begin, count, halves);
    for (std::size_t d = 0; d < count; ++d) keys[(begin + d) * kKvBlockRows] = halves[d];
  }
  auto* const values =
      reinterpret_cast<std::uint16_t*>(bytes_.data() + ValuesAt(layer, head, row / kKvBlockRows));
  kernels.to_half(value, layout_.value_length, values + row % kKvBlockRows * layout_.value_length);
}

template <typename Number>
void KvRows::Put(std::size_t layer, std::size_t head, std::size_t row, const Number* key,
                 const Number* value) {
  const std::size_t block = row / kKvBlockRows;
  auto* const keys = reinterpret_cast<Number*>(bytes_.data() + At(layer, head, block));
  for (std::size_t d = 0; d < layout_.key_length; ++d) {
    keys[d * kKvBlockRows + row % kKvBlockRows] = key[d];
  }
  auto* const values = reinterpret_cast<Number*>(bytes_.data() + ValuesAt(layer, head, block));
  std::copy_n(value, layout_.value_length, values + row % kKvBlockRows * layout_.value_length);
}

void KvRows::CopyRows(const KvRows& from, std::span<const int> from_rows, std::size_t to_row) {
  // Rows that follow each other in one block are copied together: prompts consist of such.
  for (std::size_t i = 0; i < from_rows.size();) {
    const auto first = static_cast<std::size_t>(from_rows[i]);
    const std::size_t to = to_row + i;
    std::size_t count = 1;
    while (i + count < from_rows.size() &&
           static_cast<std::size_t>(from_rows[i + count]) == first + count &&
           (first + count) % kKvBlockRows != 0 && (to + count) % kKvBlockRows != 0) {
      ++count;
    }
    if (layout_.type == KvType::kF32) {
      CopyRun<float>(from, first, count, to);
    } else {
      CopyRun<std::uint16_t>(from, first, count, to);
    }
    i += count;
  }
}

// Rows [from_row, from_row + count), which lie in one block, as do those they go to.
template <typename Number>
void KvRows::CopyRun(const KvRows& from, std::size_t from_row, std::size_t count,
                     std::size_t to_row) {
  for (std::size_t layer = 0; layer < layout_.layers; ++layer) {
    for (std::size_t head = 0; head < layout_.kv_heads; ++head) {
      const auto* const from_keys =
          reinterpret_cast<const Number*>(from.Keys(layer, head, from_row / kKvBlockRows)) +
          from_row % kKvBlockRows;
      auto* const to_keys =
          reinterpret_cast<Number*>(bytes_.data() + At(layer, head, to_row / kKvBlockRows)) +
          to_row % kKvBlockRows;
      if (count == 1) {
        for (std::size_t d = 0; d < layout_.key_length; ++d) {
          to_keys[d * kKvBlockRows] = from_keys[d * kKvBlockRows];
        }
      } else {
        for (std::size_t d = 0; d < layout_.key_length; ++d) {
          std::memcpy(to_keys + d * kKvBlockRows, from_keys + d * kKvBlockRows,
                      count * sizeof(Number));
        }
      }
      const std::size_t row_bytes = layout_.value_length * sizeof(Number);
      std::memcpy(
          bytes_.data() + ValuesAt(layer, head, to_row / kKvBlockRows) +
              to_row % kKvBlockRows * row_bytes,
          from.Values(layer, head, from_row / kKvBlockRows) + from_row % kKvBlockRows * row_bytes,
          count * row_bytes);
    }
  }
}

}  // namespace recycling::verifier
