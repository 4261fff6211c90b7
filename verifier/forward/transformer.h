// The forward pass. It is batch-invariant: the bits of a row's logits depend on the tokens on its
// path only. Other rows and sequences in the pass and the number of threads do not change them.
#ifndef RECYCLING_VERIFIER_FORWARD_TRANSFORMER_H_
#define RECYCLING_VERIFIER_FORWARD_TRANSFORMER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "verifier/forward/step.h"  // Segment
#include "verifier/kernels/cpu.h"
#include "verifier/kernels/matmul_kernel.h"
#include "verifier/kv/kv_cache.h"
#include "verifier/model/model.h"
#include "verifier/model/packed_weights.h"  // PackingProgress

namespace recycling::verifier {

struct TransformerOptions {
  int threads = 1;     // [1, 1024]
  int max_rows = 512;  // most rows of a pass, all segments together, [1, 65536]
  KvType kv_type = KvType::kF32;
  // Chooses the kernels. This machine must support it.
  InstructionSet instruction_set = BestInstructionSet();
  Arithmetic arithmetic = Arithmetic::kFast;
  // For tests: the kernel of the projections. Null: that of `instruction_set` and `arithmetic`.
  const MatMulKernel* matmul_kernel = nullptr;
  PackingProgress packing_progress;  // may be null
  // Most tokens of a sequence. 0: the context length the model was trained for. It may be larger;
  // the model may then give poor text.
  std::uint32_t context_length = 0;
};

// Threads: not thread-safe; one pass at a time.
class Transformer {
 public:
  // Packs the weights for the kernel. InvalidArgument for options out of range; ResourceExhausted
  // if the system refuses one of the threads, or memory for weights or activations.
  static absl::StatusOr<std::unique_ptr<Transformer>> Create(std::shared_ptr<const Model> model,
                                                             const TransformerOptions& options);
  virtual ~Transformer() = default;

  // Runs one pass over all rows of all segments. A KvSequence may be in one segment only. On
  // success logits() holds [total logit rows, vocab_size] in segment order, and the keys and values
  // of the rows can be committed until the next Forward. InvalidArgument for rows, parents or
  // tokens out of range, and for a sequence that exceeds its context, is in two segments or belongs
  // to a cache of another layout. ResourceExhausted if the system has no memory for the pass.
  // Cancelled if *cancelled became true; it is checked between layers and may be null. On an error
  // the sequences are as they were, and there is nothing to commit.
  virtual absl::Status Forward(std::span<const Segment> segments,
                               const std::atomic<bool>* cancelled) = 0;

  // The logits [vocab_size] of logit row `row`, counted over all segments. Valid until the next
  // Forward.
  virtual std::span<const float> logits(int row) const = 0;

  // Appends the keys and values of `path` (rows of segment `segment` of the last pass: path[0] has
  // parent -1, each next one is a child of the one before) to the segment's sequence. Copies
  // path.size() rows per layer. InvalidArgument for any other path. FailedPrecondition if the
  // segment is committed already or the sequence's length has changed since the pass.
  // ResourceExhausted if the sequence would exceed its max_positions(). On an error nothing
  // changes.
  virtual absl::Status Commit(int segment, std::span<const int> path) = 0;

  // Calls run(task) once for every task in [0, tasks), on the threads that run passes. Meant for
  // work on the logits of many rows.
  virtual void Share(std::size_t tasks, absl::FunctionRef<void(std::size_t task)> run) {
    for (std::size_t task = 0; task < tasks; ++task) run(task);
  }

  virtual const Model& model() const = 0;
  virtual std::uint32_t context_length() const = 0;

  // Name of the kernel that runs the projections, for example "portable".
  virtual std::string kernel() const = 0;
  // A digest of everything that decides the bits of a logit: model file, kernel, packing, type of
  // the keys and values, version of the arithmetic.
  virtual std::string numerics_id() const = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_TRANSFORMER_H_
