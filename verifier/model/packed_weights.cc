#include "verifier/model/packed_weights.h"

#include <sys/mman.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

using Part = std::pair<const Matrix*, PackedMatrix*>;

}  // namespace

absl::StatusOr<std::unique_ptr<const PackedWeights>> PackedWeights::Pack(
    const Model& model, const MatMulKernel& kernel, ThreadPool& pool,
    const PackingProgress& progress) {
  const Weights& weights = model.weights();
  std::unique_ptr<PackedWeights> packed(new PackedWeights);
  packed->layers_.resize(weights.layers.size());
  std::vector<Part> parts;
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& from = weights.layers[i];
    Layer& to = packed->layers_[i];
    for (const Part& part :
         {Part(&from.query, &to.query), Part(&from.key, &to.key), Part(&from.value, &to.value),
          Part(&from.attention_output, &to.attention_output)}) {
      parts.push_back(part);
    }
    if (from.router.rows != 0) parts.emplace_back(&from.router, &to.router);
    const std::size_t blocks = from.gate.size();
    for (std::vector<PackedMatrix>* matrices : {&to.gate, &to.up, &to.down}) {
      matrices->resize(blocks);
    }
    for (std::size_t b = 0; b < blocks; ++b) {
      parts.emplace_back(&from.gate[b], &to.gate[b]);
      parts.emplace_back(&from.up[b], &to.up[b]);
      parts.emplace_back(&from.down[b], &to.down[b]);
    }
  }
  parts.emplace_back(&weights.output, &packed->output_);
  std::size_t total = 0;
  for (const auto& [from, to] : parts) {
    *to = kernel.Layout(*from);
    if (to->bytes() > std::numeric_limits<std::size_t>::max() / 2 - total) {
      return absl::ResourceExhaustedError("packed weights: their size does not fit into 64 bits");
    }
    total += to->bytes();
  }
  if (!kernel.packs()) return packed;

  // With small pages, address translation would take much of the time of a pass.
  const std::size_t bytes = (total + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("memory for packed weights: the system refused ", bytes, " bytes"));
  }
  packed->memory_ = static_cast<std::byte*>(memory);
  packed->mapped_bytes_ = bytes;
  madvise(memory, bytes, MADV_HUGEPAGE);  // best effort

  std::size_t done = 0;
  for (const auto& part : parts) {
    const auto& [from, to] = part;
    std::byte* data = packed->memory_ + done;
    to->data = data;
    pool.Run(to->panels(), [&](std::size_t panel, std::size_t) {
      kernel.PackPanel(*part.first, panel, data + panel * part.second->panel_bytes);
    });
    model.DropPages(*from);
    done += to->bytes();
    if (progress) progress(done, total);
  }
  return packed;
}

PackedWeights::~PackedWeights() {
  if (memory_ != nullptr) munmap(memory_, mapped_bytes_);
}

}  // namespace recycling::verifier
