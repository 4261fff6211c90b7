#include "verifier/model/packed_weights.h"

#include <sys/mman.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

absl::StatusOr<std::size_t> PackedWeights::LayOut(const Weights& weights,
                                                  const MatMulKernel& kernel,
                                                  std::vector<Part>& parts) {
  layers_.resize(weights.layers.size());
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& from = weights.layers[i];
    Layer& to = layers_[i];
    for (const Part& part :
         {Part{&from.query, &to.query}, Part{&from.key, &to.key}, Part{&from.value, &to.value},
          Part{&from.attention_output, &to.attention_output}}) {
      parts.push_back(part);
    }
    if (from.router.rows != 0) parts.push_back({&from.router, &to.router});
    const std::size_t blocks = from.gate.size();
    for (std::vector<PackedMatrix>* matrices : {&to.gate, &to.up, &to.down}) {
      matrices->resize(blocks);
    }
    for (std::size_t b = 0; b < blocks; ++b) {
      parts.push_back({&from.gate[b], &to.gate[b]});
      parts.push_back({&from.up[b], &to.up[b]});
      parts.push_back({&from.down[b], &to.down[b]});
    }
  }
  parts.push_back({&weights.output, &output_});
  std::size_t total = 0;
  for (const auto& [from, to] : parts) {
    *to = kernel.Layout(*from);
    if (to->bytes() > std::numeric_limits<std::size_t>::max() / 2 - total) {
      return absl::ResourceExhaustedError("packed weights: their size does not fit into 64 bits");
    }
    total += to->bytes();
  }
  return kernel.packs() ? total : 0;
}

absl::StatusOr<std::size_t> PackedWeights::Bytes(const Weights& weights,
                                                 const MatMulKernel& kernel) {
  PackedWeights packed;
  std::vector<Part> parts;
  return packed.LayOut(weights, kernel, parts);
}

absl::StatusOr<std::unique_ptr<const PackedWeights>> PackedWeights::Pack(
    const Model& model, const MatMulKernel& kernel, ThreadPool& pool,
    const PackingProgress& progress) {
  std::unique_ptr<PackedWeights> packed(new PackedWeights);
  std::vector<Part> parts;
  ASSIGN_OR_RETURN(const std::size_t total, packed->LayOut(model.weights(), kernel, parts));
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
  for (const Part& part : parts) {
    std::byte* data = packed->memory_ + done;
    part.to->data = data;
    pool.Run(part.to->panels(), [&](std::size_t panel, std::size_t) {
      kernel.PackPanel(*part.from, panel, data + panel * part.to->panel_bytes);
    });
    model.DropPages(*part.from);
    done += part.to->bytes();
    if (progress) progress(done, total);
  }
  return packed;
}

PackedWeights::~PackedWeights() {
  if (memory_ != nullptr) munmap(memory_, mapped_bytes_);
}

}  // namespace recycling::verifier
