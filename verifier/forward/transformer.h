// The forward pass. It is batch-invariant: the bits of a row's logits depend only on the tokens on
// its path. They do not depend on other rows and sequences in the pass, nor on the number of
// threads.
#ifndef RECYCLING_VERIFIER_FORWARD_TRANSFORMER_H_
#define RECYCLING_VERIFIER_FORWARD_TRANSFORMER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "verifier/forward/step.h"  // Segment
#include "verifier/kernels/cpu.h"
#include "verifier/kernels/kernel_table.h"
#include "verifier/kernels/matmul_kernel.h"
#include "verifier/kv/kv_cache.h"
#include "verifier/model/model.h"
#include "verifier/model/packed_weights.h"  // PackingProgress

namespace recycling::verifier {

struct TransformerOptions {
  int threads = 1;     // [1, 1024]
  int max_rows = 512;  // most rows of a pass, over all segments, [1, 65536]
  KvType kv_type = KvType::kF32;
  // The instruction set of the kernels. This machine must support it.
  InstructionSet instruction_set = BestInstructionSet();
  Arithmetic arithmetic = Arithmetic::kFast;
  // The kernels of the matrix products, for example MatMulKernel::Candidates. They must give the
  // same bits and use the same packed weights. Empty: the kernel of `instruction_set` and
  // `arithmetic`.
  std::vector<const MatMulKernel*> matmul_kernels;
  PackingProgress packing_progress;  // may be null
  // The most tokens of a sequence. 0: the context length that the model was trained for. A larger
  // number is allowed, but the model may then give poor text.
  std::uint32_t context_length = 0;
};

// Not thread-safe.
class Transformer {
 public:
  // Packs the weights for the kernel. Returns InvalidArgument for options out of range, and
  // ResourceExhausted if the system refuses a thread, or memory for weights or activations.
  static absl::StatusOr<std::unique_ptr<Transformer>> Create(std::shared_ptr<const Model> model,
                                                             const TransformerOptions& options);
  virtual ~Transformer() = default;

  // Runs one pass over all rows of all segments. A KvSequence may be in one segment only. After
  // success logits() holds [total logit rows, vocab_size] in the order of segments, and Commit may
  // store the keys and values of rows until the next Forward. Returns InvalidArgument for rows,
  // parents or tokens out of range, and for a sequence that exceeds its context, is in two segments
  // or belongs to a cache of another layout. Returns ResourceExhausted if the system has no memory
  // for the pass. Returns Cancelled if *cancelled became true; Forward checks it between layers.
  // `cancelled` may be null. After an error the sequences are unchanged, and Commit has nothing to
  // store.
  virtual absl::Status Forward(std::span<const Segment> segments,
                               const std::atomic<bool>* cancelled) = 0;

  // Returns the logits [vocab_size] of logit row `row`. Logit rows are numbered over all segments.
  // The result is valid until the next Forward.
  virtual std::span<const float> logits(int row) const = 0;

  // Appends the keys and values of `path` to the sequence of segment `segment` of the last pass.
  // `path` has rows of the segment: path[0] has parent -1, and each further row is a child of the
  // row before it. Copies path.size() rows for each layer. Returns InvalidArgument for any other
  // path, FailedPrecondition if the segment is already committed or if the length of the sequence
  // has changed since the pass, and ResourceExhausted if the sequence would exceed its
  // max_positions(). After an error nothing has changed.
  virtual absl::Status Commit(int segment, std::span<const int> path) = 0;

  // Calls run(task) once for every task in [0, tasks), on the threads that run passes. It is meant
  // for work on the logits of many rows.
  virtual void Share(std::size_t tasks, absl::FunctionRef<void(std::size_t task)> run) {
    for (std::size_t task = 0; task < tasks; ++task) run(task);
  }

  virtual const Model& model() const = 0;
  virtual std::uint32_t context_length() const = 0;

  // The names of the kernels of the matrix products, for example "portable". They never change.
  virtual const std::vector<std::string>& kernels() const = 0;
  // From the next Forward on, a product of r rows uses kernel kernels()[table.KernelFor(r)]. Until
  // the first call it uses the first one. Changes no bit. Requires table.last_kernel() to be an
  // index of kernels().
  virtual void UseKernels(KernelTable table) = 0;
  // A digest of everything that decides the bits of a logit: the model file, the arithmetic and its
  // version, the type of the keys and values, the frequencies and the magnitude of the rotation,
  // and the temperatures of the queries (the last two only if they are not 1).
  virtual std::string numerics_id() const = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_TRANSFORMER_H_
