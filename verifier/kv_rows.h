// Storage of keys and values: one row for each token and layer.
#ifndef RECYCLING_VERIFIER_KV_ROWS_H_
#define RECYCLING_VERIFIER_KV_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "verifier/buffer.h"
#include "verifier/kernels/float_math.h"
#include "verifier/model_config.h"

namespace recycling::verifier {

// Number format of cached keys and values. Rows are rounded to it before any use, in their own pass
// too.
enum class KvType { kF32, kF16 };

// What a token's keys and values are made of.
struct KvLayout {
  KvType type = KvType::kF32;
  std::size_t layers = 0;
  std::size_t key_values = 0;    // kv_heads * key_length
  std::size_t value_values = 0;  // kv_heads * value_length

  static KvLayout Of(const ModelConfig& config, KvType type) {
    return {type, config.layers, std::size_t{config.kv_heads} * config.key_length,
            std::size_t{config.kv_heads} * config.value_length};
  }

  std::size_t number_bytes() const { return type == KvType::kF32 ? 4 : 2; }
  std::size_t token_bytes() const { return layers * (key_values + value_values) * number_bytes(); }

  bool operator==(const KvLayout&) const = default;
};

// `count` floats from `from`, rounded to the type, written to `to`.
inline void StoreKv(KvType type, const float* from, std::size_t count, std::byte* to) {
  if (type == KvType::kF32) {
    std::memcpy(to, from, count * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t half = FloatToHalf(from[i]);
    std::memcpy(to + 2 * i, &half, sizeof(half));
  }
}

// `count` numbers at `from` as floats: in place where they are, else in `scratch` [count].
inline const float* LoadKv(KvType type, const std::byte* from, std::size_t count, float* scratch) {
  if (type == KvType::kF32) return reinterpret_cast<const float*>(from);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t half;
    std::memcpy(&half, from + 2 * i, sizeof(half));
    scratch[i] = HalfToFloat(half);
  }
  return scratch;
}

// Rows of keys and values for a fixed number of tokens. Starts empty.
class KvRows {
 public:
  // Room for `rows` tokens. ResourceExhausted if memory cannot be had.
  absl::Status Reserve(const KvLayout& layout, std::size_t rows) {
    layout_ = layout;
    rows_ = rows;
    return bytes_.Reserve(rows * layout.token_bytes(), "keys and values");
  }

  // [key_values] and [value_values] numbers of the layout's type. row in [0, rows).
  std::byte* Key(std::size_t layer, std::size_t row) { return bytes_.data() + KeyAt(layer, row); }
  std::byte* Value(std::size_t layer, std::size_t row) {
    return bytes_.data() + ValueAt(layer, row);
  }
  const std::byte* Key(std::size_t layer, std::size_t row) const {
    return bytes_.data() + KeyAt(layer, row);
  }
  const std::byte* Value(std::size_t layer, std::size_t row) const {
    return bytes_.data() + ValueAt(layer, row);
  }

  // Copies one token's rows of every layer. Layouts must be equal.
  void CopyRow(const KvRows& from, std::size_t from_row, std::size_t to_row) {
    for (std::size_t layer = 0; layer < layout_.layers; ++layer) {
      std::memcpy(Key(layer, to_row), from.Key(layer, from_row),
                  layout_.key_values * layout_.number_bytes());
      std::memcpy(Value(layer, to_row), from.Value(layer, from_row),
                  layout_.value_values * layout_.number_bytes());
    }
  }

  const KvLayout& layout() const { return layout_; }

 private:
  // [layers] of ([rows, key_values], [rows, value_values]).
  std::size_t KeyAt(std::size_t layer, std::size_t row) const {
    return (layer * rows_ * (layout_.key_values + layout_.value_values) +
            row * layout_.key_values) *
           layout_.number_bytes();
  }
  std::size_t ValueAt(std::size_t layer, std::size_t row) const {
    return KeyAt(layer, 0) +
           (rows_ * layout_.key_values + row * layout_.value_values) * layout_.number_bytes();
  }

  KvLayout layout_;
  std::size_t rows_ = 0;
  Buffer<std::byte> bytes_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_ROWS_H_
