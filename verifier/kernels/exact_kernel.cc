#include "verifier/kernels/exact_kernel.h"

#include <algorithm>
#include <cstring>

#include "verifier/kernels/array_views.h"
#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/dot.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kBlock = 4;  // outputs that share the loads of an input row
constexpr std::size_t kPanel = 16 * kBlock;

class ExactMatMulKernel final : public MatMulKernel {
 public:
  std::string_view name() const override { return "exact"; }
  std::string_view arithmetic() const override { return "float lanes of 8, 1"; }

  PackedMatrix Layout(const Matrix& w) const override {
    return {.type = w.type,
            .rows = w.rows,
            .columns = w.columns,
            .panel_outputs = kPanel,
            .panel_bytes = kPanel * w.row_bytes,
            .data = w.data};
  }
  bool packs() const override { return false; }
  void PackPanel(const Matrix&, std::size_t, std::byte*) const override {}

  InputFormat FormatFor(TensorType) const override { return InputFormat::kFloat; }
  std::size_t InputBytes(InputFormat, std::size_t rows, std::size_t columns) const override {
    return (rows * columns * sizeof(float) + 63) / 64 * 64;
  }
  void Prepare(InputFormat, const float* values, const InputPart& part,
               std::byte* inputs) const override {
    std::memcpy(inputs + (part.row * part.columns + part.begin) * sizeof(float),
                values + part.begin, (part.end - part.begin) * sizeof(float));
  }

  std::size_t ScratchBytes(std::size_t, std::size_t columns) const override {
    return kBlock * columns * sizeof(float);
  }

  void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end, const std::byte* inputs,
                std::size_t rows, bool add, float* out, std::byte* scratch) const override {
    const std::size_t columns = w.columns;
    const std::size_t row_bytes = w.panel_bytes / kPanel;
    auto* unpacked = reinterpret_cast<float*>(scratch);
    const std::size_t last = std::min(w.rows, end * kPanel);
    for (std::size_t o = begin * kPanel; o < last; o += kBlock) {
      const std::size_t block = std::min(kBlock, last - o);
      for (std::size_t i = 0; i < block; ++i) {
        DequantizeRow(w.type, w.data + (o + i) * row_bytes, columns, unpacked + i * columns);
      }
      for (std::size_t r = 0; r < rows; ++r) {
        const auto* x = reinterpret_cast<const float*>(inputs) + r * columns;
        float* y = out + r * w.rows + o;
        float sums[kBlock];
        if (block == kBlock) {
          Dots<kBlock>(unpacked, columns, x, columns, sums, 1);
        } else {
          for (std::size_t i = 0; i < block; ++i) sums[i] = Dot(unpacked + i * columns, x, columns);
        }
        if (add) {
          AsRow(y, block) += AsRow(sums, block);
        } else {
          AsRow(y, block) = AsRow(sums, block);
        }
      }
    }
  }
};

}  // namespace

const MatMulKernel& ExactKernel() {
  static const ExactMatMulKernel kernel;
  return kernel;
}

}  // namespace recycling::verifier
