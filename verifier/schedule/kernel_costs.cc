#include "verifier/schedule/kernel_costs.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace recycling::verifier {
namespace {

// The sizes that decide when the verifier is ready. With few rows a pass takes the time of reading
// the weights, and with many rows the time of computing. A straight line from 1 to 16 rows would
// make small trees too dear, so 4 rows are measured too.
constexpr int kFirstSizes[] = {1, 16, 4};

// The sizes to measure, in order: first kFirstSizes, then those of usual trees. Kernels that work
// in tiles of 16 rows get slower after each full tile.
std::vector<int> Sizes(int most_rows) {
  std::vector<int> sizes;
  for (const int rows : {kFirstSizes[0],
                         kFirstSizes[1],
                         kFirstSizes[2],
                         8,
                         2,
                         32,
                         64,
                         80,
                         81,
                         17,
                         48,
                         33,
                         49,
                         65,
                         24,
                         12,
                         96,
                         128,
                         256,
                         most_rows}) {
    const int size = std::min(rows, most_rows);
    if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) sizes.push_back(size);
  }
  return sizes;
}

}  // namespace

KernelCosts::KernelCosts(std::vector<std::string> kernels, int most_rows)
    : kernels_(std::move(kernels)), most_rows_(most_rows), sizes_(Sizes(most_rows)) {
  // Kernels take turns, so that a machine that gets slower or faster does not favour one of them.
  const auto plan = [this](int rows, int passes) {
    for (int pass = 0; pass < passes; ++pass) {
      for (std::size_t kernel = 0; kernel < kernels_.size(); ++kernel) {
        plan_.push_back({rows, kernel});
      }
    }
  };
  std::vector<int> passes(sizes_.size(), kPasses);  // that are left
  for (std::size_t i = 0; i < std::min(std::size(kFirstSizes), sizes_.size()); ++i) {
    const int first = i == 0 ? 2 : 1;
    plan(sizes_[i], first);
    passes[i] -= first;
  }
  first_ = plan_.size();
  for (std::size_t i = 0; i < sizes_.size(); ++i) plan(sizes_[i], passes[i]);
  std::sort(sizes_.begin(), sizes_.end());
  fastest_.assign(kernels_.size(), {sizes_.size(), absl::InfiniteDuration()});
  costs_.resize(kernels_.size());
}

void KernelCosts::Add(absl::Duration took) {
  const Measurement now = next();
  ++measured_;
  const auto size = std::lower_bound(sizes_.begin(), sizes_.end(), now.rows) - sizes_.begin();
  absl::Duration& fastest = fastest_[now.kernel][static_cast<std::size_t>(size)];
  fastest = std::min(fastest, took);
  costs_[now.kernel].Set(now.rows, fastest);
}

bool KernelCosts::Measured(std::size_t kernel, int rows) const {
  const auto size = std::lower_bound(sizes_.begin(), sizes_.end(), rows) - sizes_.begin();
  return fastest_[kernel][static_cast<std::size_t>(size)] < absl::InfiniteDuration();
}

std::size_t KernelCosts::Choose(int rows) const {
  std::size_t choice = 0;
  if (!ready()) return choice;
  absl::Duration least = costs_[0].At(rows) * kClearlyLess;
  for (std::size_t kernel = 1; kernel < kernels_.size(); ++kernel) {
    const absl::Duration cost = costs_[kernel].At(rows);
    if (cost >= least) continue;
    least = cost;
    choice = kernel;
  }
  return choice;
}

KernelTable KernelCosts::table() const {
  std::vector<std::uint8_t> kernels;
  for (int rows = 1; rows <= most_rows_; ++rows) {
    kernels.push_back(static_cast<std::uint8_t>(Choose(rows)));
  }
  return KernelTable(std::move(kernels));
}

PassCosts KernelCosts::costs() const {
  PassCosts costs;
  for (const int rows : sizes_) {
    const std::size_t kernel = Choose(rows);
    if (Measured(kernel, rows)) costs.Set(rows, costs_[kernel].At(rows));
  }
  return costs;
}

std::vector<KernelCosts::Use> KernelCosts::uses() const {
  std::vector<Use> uses;
  for (const int rows : sizes_) {
    Use& use = uses.emplace_back(Use{.rows = rows, .kernel = kernels_[Choose(rows)]});
    for (std::size_t kernel = 0; kernel < kernels_.size(); ++kernel) {
      use.estimated = use.estimated || !Measured(kernel, rows);
    }
  }
  return uses;
}

std::string KernelCosts::text() const {
  if (kernels_.size() == 1) return kernels_[0];
  std::vector<std::string> runs;
  bool estimated = false;
  const std::vector<Use> uses = this->uses();
  auto use = uses.begin();
  for (int rows = 1; rows <= most_rows_; ++rows) {
    for (; use != uses.end() && use->rows <= rows; ++use) {
      estimated = estimated || use->estimated;
    }
    const std::size_t kernel = Choose(rows);
    if (rows < most_rows_ && Choose(rows + 1) == kernel) continue;
    runs.push_back(absl::StrCat(kernels_[kernel], " to ", rows, rows == 1 ? " row" : " rows",
                                estimated ? " (estimated)" : ""));
    estimated = false;
  }
  return absl::StrJoin(runs, ", ");
}

std::string KernelCosts::measured_text() const {
  std::vector<std::string> texts;
  for (std::size_t kernel = 0; kernel < kernels_.size(); ++kernel) {
    std::string& text = texts.emplace_back(kernels_[kernel]);
    for (const PassCost& cost : costs_[kernel].Snapshot()) {
      absl::StrAppend(&text, " ", cost.rows, ":", cost.micros);
    }
  }
  return absl::StrJoin(texts, "; ");
}

}  // namespace recycling::verifier
