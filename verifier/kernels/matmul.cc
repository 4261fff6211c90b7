#include "verifier/kernels/matmul.h"

#include <algorithm>
#include <iterator>

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

absl::Status MatMul::Reserve(std::size_t rows, std::size_t columns, std::size_t group_rows) {
  std::size_t scratch_bytes = 0;
  for (const MatMulKernel* kernel : kernels_) {
    for (const InputFormat format : kFormats) {
      const std::size_t bytes = group_rows < rows ? rows * kernel->InputBytes(format, 1, columns)
                                                  : kernel->InputBytes(format, rows, columns);
      RETURN_IF_ERROR(inputs_[IndexOf(format)].Reserve(bytes, "prepared activations"));
    }
    scratch_bytes = std::max(scratch_bytes, kernel->ScratchBytes(group_rows, columns));
  }
  scratch_bytes_ = std::max(scratch_bytes_, Align(scratch_bytes));
  return scratch_.Reserve(pool_.threads() * scratch_bytes_, "unpacked weights");
}

void MatMul::SetInput(std::size_t rows, std::initializer_list<const PackedMatrix*> weights,
                      const float* values) {
  const RowGroup all = {rows, 0};
  SetInput({&all, rows == 0 ? std::size_t{0} : std::size_t{1}}, weights, values);
}

void MatMul::SetInput(std::span<const RowGroup> groups,
                      std::initializer_list<const PackedMatrix*> weights, const float* values) {
  const std::size_t columns = (*weights.begin())->columns;
  groups_.clear();
  pieces_.clear();
  std::size_t rows = 0;
  std::size_t bytes[kInputFormats] = {};
  for (const RowGroup& from : groups) {
    Group& group = groups_.emplace_back();
    group.first_row = rows;
    group.rows = from.rows;
    group.matrix = from.matrix;
    group.kernel = kernels_[table_.KernelFor(from.rows)];
    for (const InputFormat format : kFormats) {
      group.inputs[IndexOf(format)] = bytes[IndexOf(format)];
      bytes[IndexOf(format)] += group.kernel->InputBytes(format, from.rows, columns);
    }
    for (std::size_t begin = 0; begin < from.rows; begin += kTaskRows) {
      pieces_.push_back({groups_.size() - 1, begin, std::min(begin + kTaskRows, from.rows)});
    }
    rows += from.rows;
  }
  // A task prepares some columns of many rows. The prepared numbers of different rows share cache
  // lines, and a thread often prepares columns that it has computed.
  const auto prepare = [&](std::size_t part, const Piece& piece) {
    const Group& group = groups_[piece.group];
    bool wanted[kInputFormats] = {};
    for (const PackedMatrix* w : weights) wanted[IndexOf(group.kernel->FormatFor(w->type))] = true;
    const std::size_t begin = part * kInputPartColumns;
    const std::size_t end = std::min(begin + kInputPartColumns, columns);
    for (std::size_t r = piece.begin; r < piece.end; ++r) {
      const float* row = values + (group.first_row + r) * columns;
      if (r + 1 < piece.end) Fetch(row + columns + begin, end - begin);
      for (const InputFormat format : kFormats) {
        if (!wanted[IndexOf(format)]) continue;
        group.kernel->Prepare(format, row, {columns, begin, end, r, group.rows},
                              inputs_[IndexOf(format)].data() + group.inputs[IndexOf(format)]);
      }
    }
  };
  const std::size_t parts = (columns + kInputPartColumns - 1) / kInputPartColumns;
  if (rows == 0) return;
  if (rows == 1) {  // too little work for several threads
    for (std::size_t part = 0; part < parts; ++part) prepare(part, pieces_.front());
  } else {
    pool_.Run(parts * pieces_.size(), [&](std::size_t task, std::size_t) {
      prepare(task / pieces_.size(), pieces_[task % pieces_.size()]);
    });
  }
}

void MatMul::Plan(std::span<const Product> products, std::size_t share) {
  works_.clear();
  std::size_t tasks = 0;
  for (const Product& product : products) {
    const PackedMatrix& first = *product.matrices;
    const std::size_t by_bytes = kTaskBytes / std::max<std::size_t>(1, first.panel_bytes);
    const std::size_t by_tasks =
        groups_.size() * first.panels() / (kTasksPerThread * pool_.threads());
    const std::size_t panels = std::max<std::size_t>(1, std::min(by_bytes, by_tasks) / share);
    for (const Group& group : groups_) {
      tasks += (first.panels() + panels - 1) / panels;
      works_.push_back({.group = &group,
                        .matrix = product.matrices + group.matrix,
                        .out = product.out + group.first_row * first.rows,
                        .panels = panels,
                        .end = tasks});
    }
  }
}

template <typename F>
void MatMul::RunWorks(const F& run) {
  if (works_.empty()) return;
  pool_.Run(works_.back().end, [&](std::size_t task, std::size_t worker) {
    const auto work =
        std::upper_bound(works_.begin(), works_.end(), task,
                         [](std::size_t at, const Work& candidate) { return at < candidate.end; });
    const std::size_t first_task = work == works_.begin() ? 0 : std::prev(work)->end;
    const std::size_t begin = (task - first_task) * work->panels;
    run(*work, begin, std::min(begin + work->panels, work->matrix->panels()), Scratch(worker));
  });
}

void MatMul::MultiplyPanels(const Group& group, const PackedMatrix& matrix, std::size_t begin,
                            std::size_t end, bool add, float* out, std::byte* scratch) const {
  const std::size_t format = IndexOf(group.kernel->FormatFor(matrix.type));
  group.kernel->Multiply(matrix, begin, end, inputs_[format].data() + group.inputs[format],
                         group.rows, add, out, scratch);
}

void MatMul::Multiply(std::initializer_list<Product> products) {
  Plan({products.begin(), products.size()});
  RunWorks([&](const Work& work, std::size_t begin, std::size_t end, std::byte* scratch) {
    MultiplyPanels(*work.group, *work.matrix, begin, end, /*add=*/false, work.out, scratch);
  });
}

void MatMul::MultiplyAdd(const Product& product) {
  Plan({&product, 1});
  RunWorks([&](const Work& work, std::size_t begin, std::size_t end, std::byte* scratch) {
    MultiplyPanels(*work.group, *work.matrix, begin, end, /*add=*/true, work.out, scratch);
  });
}

void MatMul::MultiplyGated(const Product& gate, const Product& up, GateTimes gate_times) {
  Plan({&gate, 1}, 2);
  RunWorks([&](const Work& work, std::size_t begin, std::size_t end, std::byte* scratch) {
    const Group& group = *work.group;
    const PackedMatrix& matrix = *work.matrix;
    float* const up_out = up.out + group.first_row * matrix.rows;
    MultiplyPanels(group, matrix, begin, end, /*add=*/false, work.out, scratch);
    MultiplyPanels(group, up.matrices[group.matrix], begin, end, /*add=*/false, up_out, scratch);
    const std::size_t first = begin * matrix.panel_outputs;
    const std::size_t count = std::min(end * matrix.panel_outputs, matrix.rows) - first;
    for (std::size_t r = 0; r < group.rows; ++r) {
      float* g = work.out + r * matrix.rows + first;
      gate_times(g, up_out + r * matrix.rows + first, count, g);
    }
  });
}

std::byte* MatMul::Scratch(std::size_t worker) { return scratch_.data() + worker * scratch_bytes_; }

}  // namespace recycling::verifier
