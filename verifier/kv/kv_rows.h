// Memory for keys and values: one row for each token and layer.
#ifndef RECYCLING_VERIFIER_KV_KV_ROWS_H_
#define RECYCLING_VERIFIER_KV_KV_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/vector_kernels.h"
#include "verifier/model/model_config.h"

namespace recycling::verifier {

// The number format of keys and values. Keys and values are rounded to this format before any use,
// also in the pass that computes them.
enum class KvType { kF32, kF16 };

// The shape of the keys and values of one token.
struct KvLayout {
  KvType type = KvType::kF32;
  std::size_t layers = 0;
  std::size_t kv_heads = 0;
  std::size_t key_length = 0;    // of a head
  std::size_t value_length = 0;  // of a head
  // Which layers have a window, and its length in positions; see ModelConfig. 0: no layer has one.
  std::uint32_t window = 0;
  std::uint32_t window_pattern = 1;

  static KvLayout Of(const ModelConfig& config, KvType type);

  bool HasWindow(std::size_t layer) const {
    return window != 0 && layer % window_pattern + 1 < window_pattern;
  }
  std::size_t window_layers() const;  // how many layers have a window
  std::size_t number_bytes() const { return type == KvType::kF32 ? 4 : 2; }
  std::size_t layer_bytes() const {  // of one token in one layer
    return kv_heads * (key_length + value_length) * number_bytes();
  }
  std::size_t token_bytes() const { return layers * layer_bytes(); }

  bool operator==(const KvLayout&) const = default;
};

// Rows of keys and values for a fixed number of tokens, in blocks of kKvBlockRows rows. The numbers
// of one layer, head and block are adjacent, because attention reads them together: first the keys
// by dimension, then the values by row. A new object is empty.
class KvRows {
 public:
  // Makes room for `rows` tokens. Returns ResourceExhausted if the system has no memory.
  absl::Status Reserve(const KvLayout& layout, std::size_t rows);

  // The keys [key_length, kKvBlockRows] and values [kKvBlockRows, value_length] of rows
  // [block * kKvBlockRows, (block + 1) * kKvBlockRows), in the layout's type. Rows that were never
  // stored have arbitrary numbers.
  const std::byte* Keys(std::size_t layer, std::size_t head, std::size_t block) const {
    return bytes_.data() + At(layer, head, block);
  }
  const std::byte* Values(std::size_t layer, std::size_t head, std::size_t block) const {
    return bytes_.data() + ValuesAt(layer, head, block);
  }

  // Rounds the key [key_length] and the value [value_length] of one head to the type of the layout
  // and stores them in row `row`. Threads: several threads may store different heads at the same
  // time.
  void Store(const VectorKernels& kernels, std::size_t layer, std::size_t head, std::size_t row,
             const float* key, const float* value);

  // Copies rows of every layer and head of `from` to rows [to_row, to_row + from_rows.size()). The
  // layouts must be equal.
  void CopyRows(const KvRows& from, std::span<const int> from_rows, std::size_t to_row);

  // Return the memory of the layers with a window, or of all layers, to the system. The numbers
  // there are then arbitrary.
  void DropWindowLayers();
  void DropAll();
  // Copies all rows of the layers with a window. The layouts and the numbers of rows must be equal.
  void CopyWindowLayers(const KvRows& from);

  const KvLayout& layout() const { return layout_; }

 private:
  // [layers, kv_heads, blocks] of (keys, values).
  std::size_t At(std::size_t layer, std::size_t head, std::size_t block) const {
    return ((layer * layout_.kv_heads + head) * blocks_ + block) * block_bytes_;
  }
  std::size_t LayerBytes() const { return layout_.kv_heads * blocks_ * block_bytes_; }
  std::size_t ValuesAt(std::size_t layer, std::size_t head, std::size_t block) const {
    return At(layer, head, block) + layout_.key_length * kKvBlockRows * layout_.number_bytes();
  }

  template <typename Number>
  void CopyRun(const KvRows& from, std::size_t from_row, std::size_t count, std::size_t to_row);

  KvLayout layout_;
  std::size_t blocks_ = 0;
  std::size_t block_bytes_ = 0;
  Buffer<std::byte> bytes_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_KV_ROWS_H_
