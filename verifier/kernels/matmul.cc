#include "verifier/kernels/matmul.h"

#include <algorithm>

#include "common/status_macros.h"
#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/dot.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kBlock = 4;  // outputs that share the loads of an input row
constexpr std::size_t kTaskOutputs = 16 * kBlock;

}  // namespace

absl::Status MatMul::Reserve(std::size_t max_columns) {
  RETURN_IF_ERROR(unpacked_.Reserve(pool_.threads() * kBlock * max_columns, "weight rows"));
  max_columns_ = max_columns;
  return absl::OkStatus();
}

void MatMul::operator()(const Matrix& w, const float* in, std::size_t rows, float* out) {
  if (rows == 0) return;
  const std::size_t tasks = (w.rows + kTaskOutputs - 1) / kTaskOutputs;
  pool_.Run(tasks, [&](std::size_t task, std::size_t worker) {
    float* unpacked = unpacked_.data() + worker * kBlock * max_columns_;
    const std::size_t end = std::min(w.rows, (task + 1) * kTaskOutputs);
    for (std::size_t o = task * kTaskOutputs; o < end; o += kBlock) {
      const std::size_t block = std::min(kBlock, end - o);
      for (std::size_t i = 0; i < block; ++i) {
        DequantizeRow(w.type, w.Row(o + i), w.columns, unpacked + i * w.columns);
      }
      for (std::size_t r = 0; r < rows; ++r) {
        const float* x = in + r * w.columns;
        float* y = out + r * w.rows + o;
        if (block == kBlock) {
          Dots<kBlock>(unpacked, w.columns, x, w.columns, y, 1);
        } else {
          for (std::size_t i = 0; i < block; ++i)
            y[i] = Dot(unpacked + i * w.columns, x, w.columns);
        }
      }
    }
  });
}

}  // namespace recycling::verifier
