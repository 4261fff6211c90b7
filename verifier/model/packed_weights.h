// The model's matrices in the layout of a kernel.
#ifndef RECYCLING_VERIFIER_MODEL_PACKED_WEIGHTS_H_
#define RECYCLING_VERIFIER_MODEL_PACKED_WEIGHTS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "verifier/kernels/matmul_kernel.h"
#include "verifier/kernels/thread_pool.h"
#include "verifier/model/model.h"

namespace recycling::verifier {

// A function that gets the number of bytes packed so far and the number of all bytes.
using PackingProgress = std::function<void(std::size_t done, std::size_t total)>;

// Owns the packed weights. If the kernel does not pack, this object has views of the file instead.
// Immutable.
class PackedWeights {
 public:
  struct Layer {
    PackedMatrix query, key, value, attention_output;
    PackedMatrix router;                       // only of a mixture
    std::vector<PackedMatrix> gate, up, down;  // one, or one for each expert
  };

  // Packs on all threads of `pool`, in the order in which a pass reads the weights. After it has
  // packed a matrix, it returns the file's pages of this matrix to the system, so that the process
  // never holds much more than the packed weights. Returns ResourceExhausted if the system has no
  // memory. `model` must outlive the result. `progress` may be null.
  static absl::StatusOr<std::unique_ptr<const PackedWeights>> Pack(const Model& model,
                                                                   const MatMulKernel& kernel,
                                                                   ThreadPool& pool,
                                                                   const PackingProgress& progress);

  // The number of bytes that Pack takes for `weights`. 0 if the kernel does not pack. Returns
  // ResourceExhausted if the number does not fit into 64 bits.
  static absl::StatusOr<std::size_t> Bytes(const Weights& weights, const MatMulKernel& kernel);

  ~PackedWeights();
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  const Layer& layer(std::size_t index) const { return layers_[index]; }
  const PackedMatrix& output() const { return output_; }

 private:
  // A matrix of the file and its packed form.
  struct Part {
    const Matrix* from;
    PackedMatrix* to;
  };

  PackedWeights() = default;
  // Lays out all matrices for `kernel`, without memory. Sets `parts` to the matrices in the order
  // in which a pass reads them. Returns the number of their bytes, or ResourceExhausted if it does
  // not fit into 64 bits.
  absl::StatusOr<std::size_t> LayOut(const Weights& weights, const MatMulKernel& kernel,
                                     std::vector<Part>& parts);

  std::vector<Layer> layers_;
  PackedMatrix output_;
  std::byte* memory_ = nullptr;  // mapped; null if the kernel does not pack
  std::size_t mapped_bytes_ = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_PACKED_WEIGHTS_H_
