// The forward pass. Batch-invariant: the logits of a row are a function of the tokens on its path
// and of nothing else, to the bit, whatever other rows and sequences share the pass and however
// many threads run it.
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
  // Decides kernel(). Must be supported.
  InstructionSet instruction_set = BestInstructionSet();
  // Runs the projections instead of the instruction set's kernel, for tests; null: that one.
  const MatMulKernel* matmul_kernel = nullptr;
  PackingProgress packing_progress;  // may be null
  // Longest sequence, tokens; 0: the model's trained context length. May exceed it: RoPE goes on,
  // quality is not promised.
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

  // Runs one pass over all rows of all segments (each KvSequence in at most one of them). On
  // success logits() holds [total logit rows, vocab_size] in segment order, and the rows' keys and
  // values lie in scratch of this step until Commit or the next Forward. InvalidArgument for rows,
  // parents or tokens out of range, a sequence beyond its context, in two segments or of a cache of
  // another layout; ResourceExhausted if memory for the pass cannot be had; Cancelled if *cancelled
  // became true (checked between layers; may be null). On error the sequences are as they were and
  // there is nothing to commit.
  virtual absl::Status Forward(std::span<const Segment> segments,
                               const std::atomic<bool>* cancelled) = 0;

  // Valid until the next Forward. [vocab_size] floats of logit row `row`, counted over all
  // segments.
  virtual std::span<const float> logits(int row) const = 0;

  // Appends the keys and values of `path` (rows of segment `segment` of the last pass: path[0] has
  // parent -1, each next one is a child of the one before) to the segment's sequence. Copies
  // path.size() rows per layer. InvalidArgument for another path; FailedPrecondition for a second
  // time in a pass or a sequence whose length changed since; ResourceExhausted if memory cannot be
  // had. On error nothing changed.
  virtual absl::Status Commit(int segment, std::span<const int> path) = 0;

  // Calls run(task) once for every task in [0, tasks), on the threads that run passes. For what is
  // read off the logits of many rows.
  virtual void Share(std::size_t tasks, absl::FunctionRef<void(std::size_t task)> run) {
    for (std::size_t task = 0; task < tasks; ++task) run(task);
  }

  virtual const Model& model() const = 0;
  virtual std::uint32_t context_length() const = 0;

  // Bytes of weights that a pass reads.
  virtual std::size_t weight_bytes() const = 0;
  // Name of the kernel that runs the projections, for example "portable".
  virtual std::string kernel() const = 0;
  // Digest of everything that decides a logit's bits: model file, kernel, packing, KV type, version
  // of the arithmetic.
  virtual std::string numerics_id() const = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_TRANSFORMER_H_
