#include "verifier/kernels/matmul.h"

#include <algorithm>

#include "common/base/status_macros.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kAlignment = 64;
std::size_t Align(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

constexpr InputFormat kFormats[] = {InputFormat::kFloat, InputFormat::kIntegers32,
                                    InputFormat::kIntegers16};
std::size_t IndexOf(InputFormat format) { return static_cast<std::size_t>(format); }

// The most bytes of weights in a task, unless a panel is larger. A task is large enough for the
// processor to read ahead within it, and small enough for all threads to end at about the same
// time.
constexpr std::size_t kTaskBytes = 96 * 1024;
constexpr std::size_t kTasksPerThread = 6;
// The most rows that a task prepares.
constexpr std::size_t kTaskRows = 16;

// Prefetches `count` floats.
void Fetch(const float* floats, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 16) __builtin_prefetch(floats + i);
}

}  // namespace

absl::Status MatMul::Reserve(std::size_t rows, std::size_t columns) {
  std::size_t scratch_bytes = 0;
  for (const MatMulKernel* kernel : kernels_) {
    for (const InputFormat format : kFormats) {
      RETURN_IF_ERROR(inputs_[IndexOf(format)].Reserve(kernel->InputBytes(format, rows, columns),
                                                       "prepared activations"));
    }
    scratch_bytes = std::max(scratch_bytes, kernel->ScratchBytes(rows, columns));
  }
  scratch_bytes_ = Align(scratch_bytes);
  return scratch_.Reserve(pool_.threads() * scratch_bytes_, "unpacked weights");
}

void MatMul::SetInput(std::size_t rows, std::initializer_list<const PackedMatrix*> weights,
                      const float* values) {
  rows_ = rows;
  if (rows == 0) return;
  kernel_ = kernels_[table_.KernelFor(rows)];
  bool wanted[kInputFormats] = {};
  for (const PackedMatrix* w : weights) wanted[IndexOf(kernel_->FormatFor(w->type))] = true;
  const std::size_t columns = (*weights.begin())->columns;
  // A task prepares some columns of many rows. The prepared numbers of different rows share cache
  // lines, and a thread often prepares columns that it has computed.
  const std::size_t parts = (columns + kInputPartColumns - 1) / kInputPartColumns;
  const std::size_t groups = (rows + kTaskRows - 1) / kTaskRows;
  const auto prepare = [&](std::size_t part, std::size_t group) {
    const std::size_t begin = part * kInputPartColumns;
    const std::size_t end = std::min(begin + kInputPartColumns, columns);
    const std::size_t last = std::min((group + 1) * kTaskRows, rows);
    for (std::size_t r = group * kTaskRows; r < last; ++r) {
      const float* row = values + r * columns;
      if (r + 1 < last) Fetch(row + columns + begin, end - begin);
      for (const InputFormat format : kFormats) {
        if (!wanted[IndexOf(format)]) continue;
        kernel_->Prepare(format, row, {columns, begin, end, r, rows},
                         inputs_[IndexOf(format)].data());
      }
    }
  };
  if (rows == 1) {  // too little work for several threads
    for (std::size_t part = 0; part < parts; ++part) prepare(part, 0);
  } else {
    pool_.Run(parts * groups,
              [&](std::size_t task, std::size_t) { prepare(task / groups, task % groups); });
  }
}

void MatMul::Multiply(std::initializer_list<Product> products) {
  if (rows_ == 0) return;
  std::size_t tasks = 0;
  for (const Product& product : products) {
    const std::size_t panels = TaskPanels(*product.weights);
    tasks += (product.weights->panels() + panels - 1) / panels;
  }
  pool_.Run(tasks, [&](std::size_t task, std::size_t worker) {
    for (const auto& [weights, out] : products) {
      const std::size_t panels = TaskPanels(*weights);
      const std::size_t product_tasks = (weights->panels() + panels - 1) / panels;
      if (task < product_tasks) {
        kernel_->Multiply(*weights, task * panels, std::min((task + 1) * panels, weights->panels()),
                          Input(*weights), rows_, /*add=*/false, out, Scratch(worker));
        return;
      }
      task -= product_tasks;
    }
  });
}

void MatMul::MultiplyAdd(const PackedMatrix& weights, float* out) {
  if (rows_ == 0) return;
  const std::size_t panels = TaskPanels(weights);
  pool_.Run((weights.panels() + panels - 1) / panels, [&](std::size_t task, std::size_t worker) {
    kernel_->Multiply(weights, task * panels, std::min((task + 1) * panels, weights.panels()),
                      Input(weights), rows_, /*add=*/true, out, Scratch(worker));
  });
}

void MatMul::MultiplyGated(const PackedMatrix& gate, const PackedMatrix& up, GateTimes gate_times,
                           float* gate_out, float* up_out) {
  if (rows_ == 0) return;
  const std::size_t panels = std::max<std::size_t>(1, TaskPanels(gate) / 2);
  pool_.Run((gate.panels() + panels - 1) / panels, [&](std::size_t task, std::size_t worker) {
    const std::size_t begin = task * panels;
    const std::size_t end = std::min(begin + panels, gate.panels());
    std::byte* scratch = Scratch(worker);
    kernel_->Multiply(gate, begin, end, Input(gate), rows_, /*add=*/false, gate_out, scratch);
    kernel_->Multiply(up, begin, end, Input(up), rows_, /*add=*/false, up_out, scratch);
    const std::size_t first = begin * gate.panel_outputs;
    const std::size_t count = std::min(end * gate.panel_outputs, gate.rows) - first;
    for (std::size_t r = 0; r < rows_; ++r) {
      float* g = gate_out + r * gate.rows + first;
      gate_times(g, up_out + r * gate.rows + first, count, g);
    }
  });
}

const std::byte* MatMul::Input(const PackedMatrix& weights) const {
  return inputs_[IndexOf(kernel_->FormatFor(weights.type))].data();
}

std::byte* MatMul::Scratch(std::size_t worker) { return scratch_.data() + worker * scratch_bytes_; }

std::size_t MatMul::TaskPanels(const PackedMatrix& weights) const {
  const std::size_t by_bytes = kTaskBytes / std::max<std::size_t>(1, weights.panel_bytes);
  const std::size_t by_tasks = weights.panels() / (kTasksPerThread * pool_.threads());
  return std::max<std::size_t>(1, std::min(by_bytes, by_tasks));
}

}  // namespace recycling::verifier
