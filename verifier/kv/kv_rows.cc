#include "verifier/kv/kv_rows.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "verifier/kernels/array_views.h"

namespace recycling::verifier {
namespace {

// The keys of one block and head, [key_length, kKvBlockRows].
template <typename Number>
RowsView<Number> KeyView(std::byte* keys, const KvLayout& layout) {
  return AsRows(reinterpret_cast<Number*>(keys), layout.key_length, kKvBlockRows);
}
template <typename Number>
ConstRowsView<Number> KeyView(const std::byte* keys, const KvLayout& layout) {
  return AsRows(reinterpret_cast<const Number*>(keys), layout.key_length, kKvBlockRows);
}

// The values of one block and head, [kKvBlockRows, value_length].
template <typename Number>
RowsView<Number> ValueView(std::byte* values, const KvLayout& layout) {
  return AsRows(reinterpret_cast<Number*>(values), kKvBlockRows, layout.value_length);
}
template <typename Number>
ConstRowsView<Number> ValueView(const std::byte* values, const KvLayout& layout) {
  return AsRows(reinterpret_cast<const Number*>(values), kKvBlockRows, layout.value_length);
}

// Returns the memory of whole pages of the system within `bytes` bytes at `at`. An error is
// ignored, because memory that is not returned costs nothing else.
void DropMemory(std::byte* at, std::size_t bytes) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(at) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(at) + bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace

KvLayout KvLayout::Of(const ModelConfig& config, KvType type) {
  return {.type = type,
          .layers = config.layers,
          .kv_heads = config.kv_heads,
          .key_length = config.key_length,
          .value_length = config.value_length,
          .window = config.window,
          .window_pattern = std::max(1U, config.window_pattern)};
}

std::size_t KvLayout::window_layers() const {
  std::size_t count = 0;
  for (std::size_t layer = 0; layer < layers; ++layer) count += HasWindow(layer) ? 1 : 0;
  return count;
}

absl::Status KvRows::Reserve(const KvLayout& layout, std::size_t rows) {
  layout_ = layout;
  blocks_ = (rows + kKvBlockRows - 1) / kKvBlockRows;
  block_bytes_ = kKvBlockRows * (layout.key_length + layout.value_length) * layout.number_bytes();
  return bytes_.Reserve(layout.layers * layout.kv_heads * blocks_ * block_bytes_,
                        "keys and values");
}

void KvRows::Store(const VectorKernels& kernels, std::size_t layer, std::size_t head,
                   std::size_t row, const float* key, const float* value) {
  std::byte* const keys = bytes_.data() + At(layer, head, row / kKvBlockRows);
  std::byte* const values = bytes_.data() + ValuesAt(layer, head, row / kKvBlockRows);
  const std::size_t at = row % kKvBlockRows;
  if (layout_.type == KvType::kF32) {
    KeyView<float>(keys, layout_).col(AsIndex(at)) = AsRow(key, layout_.key_length).transpose();
    ValueView<float>(values, layout_).row(AsIndex(at)) = AsRow(value, layout_.value_length);
    return;
  }
  // Rounds the key in pieces, because its numbers are not adjacent in the block.
  constexpr std::size_t kPiece = 256;
  std::uint16_t halves[kPiece];
  for (std::size_t begin = 0; begin < layout_.key_length; begin += kPiece) {
    const std::size_t count = std::min(kPiece, layout_.key_length - begin);
    kernels.to_half(key + begin, count, halves);
    KeyView<std::uint16_t>(keys, layout_).col(AsIndex(at)).segment(AsIndex(begin), AsIndex(count)) =
        AsRow(halves, count).transpose();
  }
  auto* const half_values = reinterpret_cast<std::uint16_t*>(values);
  kernels.to_half(value, layout_.value_length, half_values + at * layout_.value_length);
}

void KvRows::DropWindowLayers() {
  // Layers that follow each other are dropped together, because only whole pages of the system can
  // be returned.
  for (std::size_t layer = 0; layer < layout_.layers;) {
    std::size_t end = layer;
    while (end < layout_.layers && layout_.HasWindow(end)) ++end;
    if (end > layer) DropMemory(bytes_.data() + At(layer, 0, 0), (end - layer) * LayerBytes());
    layer = end + 1;
  }
}

void KvRows::DropAll() { DropMemory(bytes_.data(), layout_.layers * LayerBytes()); }

void KvRows::CopyWindowLayers(const KvRows& from) {
  for (std::size_t layer = 0; layer < layout_.layers; ++layer) {
    if (!layout_.HasWindow(layer)) continue;
    std::memcpy(bytes_.data() + At(layer, 0, 0), from.bytes_.data() + At(layer, 0, 0),
                LayerBytes());
  }
}

void KvRows::CopyRows(const KvRows& from, std::span<const int> from_rows, std::size_t to_row) {
  // Copies consecutive rows of one block together. The rows of a prompt are consecutive.
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

// Copies rows [from_row, from_row + count). The rows must be in one block of `from`, and their
// destinations must be in one block of this object.
template <typename Number>
void KvRows::CopyRun(const KvRows& from, std::size_t from_row, std::size_t count,
                     std::size_t to_row) {
  const std::size_t from_block = from_row / kKvBlockRows;
  const std::size_t to_block = to_row / kKvBlockRows;
  const Eigen::Index rows = AsIndex(count);
  const Eigen::Index begin = AsIndex(from_row % kKvBlockRows);
  const Eigen::Index to = AsIndex(to_row % kKvBlockRows);
  for (std::size_t layer = 0; layer < layout_.layers; ++layer) {
    for (std::size_t head = 0; head < layout_.kv_heads; ++head) {
      KeyView<Number>(bytes_.data() + At(layer, head, to_block), layout_).middleCols(to, rows) =
          KeyView<Number>(from.Keys(layer, head, from_block), layout_).middleCols(begin, rows);
      ValueView<Number>(bytes_.data() + ValuesAt(layer, head, to_block), layout_)
          .middleRows(to, rows) =
          ValueView<Number>(from.Values(layer, head, from_block), layout_).middleRows(begin, rows);
    }
  }
}

}  // namespace recycling::verifier
