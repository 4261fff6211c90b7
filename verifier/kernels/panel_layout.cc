#include "verifier/kernels/panel_layout.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "verifier/kernels/formats/formats.h"

namespace recycling::verifier {
namespace {

using std::size_t;

// Bytes of a value of float weights; 0 for integers.
size_t FloatBytes(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return 4;
    case TensorType::kF16:
    case TensorType::kBF16:
      return 2;
    default:
      return 0;
  }
}

template <class W>
constexpr size_t kChunkBytes = W::kHeaderBytes + kChunkBlocks* W::kBlockBytes;

// Goes from chunk to chunk, so that a chunk stays in the first-level cache until it is complete.
template <class W>
void PackIntegers(const Matrix& w, size_t first, size_t outputs, std::byte* out) {
  const TensorTypeInfo& info = InfoOf(w.type);
  for (size_t chunk = 0; chunk < w.columns; chunk += kChunkColumns, out += kChunkBytes<W>) {
    const size_t columns = std::min(w.columns - chunk, kChunkColumns);
    std::memset(out, 0, W::kHeaderBytes + Blocks(columns) * W::kBlockBytes);
    for (size_t o = 0; o < outputs; ++o) {
      const std::byte* from = w.Row(first + o) + chunk / info.block_values * info.block_bytes;
      for (size_t c = 0; c < columns; c += info.block_values, from += info.block_bytes) {
        W::Pack(from, o, out + c / kBlockColumns * W::kBlockBytes);
      }
    }
  }
}

}  // namespace

InputFormat PanelFormat(TensorType type) {
  InputFormat format = InputFormat::kFloat;
  WithFormat(type, [&]<class W>() {
    format = W::kScaleColumns == 16 ? InputFormat::kIntegers16 : InputFormat::kIntegers32;
  });
  return format;
}

PackedMatrix PanelLayout(const Matrix& w) {
  size_t bytes = Blocks(w.columns) * kBlockColumns * kPanelOutputs * FloatBytes(w.type);
  WithFormat(w.type, [&]<class W>() {
    bytes = Chunks(w.columns) * W::kHeaderBytes + Blocks(w.columns) * W::kBlockBytes;
  });
  return {.type = w.type,
          .rows = w.rows,
          .columns = w.columns,
          .panel_outputs = kPanelOutputs,
          .panel_bytes = bytes};
}

void PackPanel(const Matrix& w, size_t panel, std::byte* out) {
  const size_t first = panel * kPanelOutputs;
  const size_t outputs = std::min(kPanelOutputs, w.rows - first);
  WithFormat(w.type, [&]<class W>() { PackIntegers<W>(w, first, outputs, out); });
  if (const size_t bytes = FloatBytes(w.type); bytes > 0) {
    std::memset(out, 0, PanelLayout(w).panel_bytes);
    for (size_t o = 0; o < outputs; ++o) {
      const std::byte* from = w.Row(first + o);
      for (size_t c = 0; c < w.columns; ++c) {
        std::memcpy(out + (c * kPanelOutputs + o) * bytes, from + bytes * c, bytes);
      }
    }
  }
}

void StoreSums(const float* sums, size_t rows, size_t outputs, size_t panel, bool add, float* out) {
  const size_t first = panel * kPanelOutputs;
  const auto store = [&](auto count) {
    for (size_t r = 0; r < rows; ++r, sums += kPanelOutputs) {
      float* to = out + r * outputs + first;
      for (size_t o = 0; o < count; ++o) to[o] = add ? to[o] + sums[o] : sums[o];
    }
  };
  // A constant count makes the loops over whole panels fast.
  if (outputs - first >= kPanelOutputs) {
    store(std::integral_constant<size_t, kPanelOutputs>());
  } else {
    store(outputs - first);
  }
}

}  // namespace recycling::verifier
