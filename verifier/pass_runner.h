// The passes of one sequence, one at a time: a chunk of its prompt, or a draft tree.
#ifndef RECYCLING_VERIFIER_PASS_RUNNER_H_
#define RECYCLING_VERIFIER_PASS_RUNNER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "common/draft_tree.h"
#include "common/token_id.h"
#include "verifier/kv_cache.h"
#include "verifier/sampler.h"
#include "verifier/sequence_types.h"
#include "verifier/transformer.h"

namespace recycling::verifier {

// A sequence between passes. Once prefilled, n committed tokens have n - 1 positions in the cache;
// the last token is the root of the next step. Threads: `cancelled` may be used by any thread,
// `busy` under the scheduler's lock; the rest belongs to the scheduler's thread while busy, else to
// the holder of that lock.
struct SequenceState {
  std::uint32_t base() const { return static_cast<std::uint32_t>(tokens.size()); }
  bool prefilled() const { return kv->length() + 1 >= base(); }
  TokenHistory history() const;

  SamplingRules rules;
  std::uint32_t learn_last = 0;
  bool want_candidates = false;
  std::size_t prompt_size = 0;
  std::vector<TokenId> tokens;     // committed: prompt and generated; at least one
  std::unique_ptr<KvSequence> kv;  // null once the slot is given back
  bool ended = false;              // a stop token was emitted
  std::atomic<bool> cancelled = false;
  bool busy = false;  // an operation is under way, or waits
};

// Not thread-safe.
class PassRunner {
 public:
  // All must outlive the runner.
  PassRunner(Transformer& transformer, const SchedulerOptions& options, const Clock& clock)
      : transformer_(transformer), options_(options), clock_(clock) {}

  // Runs the next chunk of what is left to prefill, if anything; adds candidates and timings to
  // `result`. Errors are the forward pass's.
  absl::Status PrefillChunk(SequenceState& state, OpenResult& result);

  // Runs one pass over the step's tree and appends what it emits. Errors as Sequence::Verify's, on
  // which the sequence stays what it was. Adds to `timings`.
  absl::StatusOr<StepResult> Verify(SequenceState& state, VerifyStep step, StepTimings timings);

 private:
  absl::StatusOr<DraftTree> TreeToVerify(const SequenceState& state, VerifyStep& step,
                                         bool* draft_ignored) const;
  // 0, 1, ..., count - 1; valid until the next call.
  std::span<const int> FirstRows(std::size_t count);
  absl::Status Forward(const SequenceState& state, const Segment& segment, StepTimings& timings);
  void AppendTopK(int logit_rows, Candidates& candidates) const;

  Transformer& transformer_;
  const SchedulerOptions& options_;
  const Clock& clock_;
  SamplerScratch scratch_;
  // Memory that passes use again.
  std::vector<int> rows_;  // 0, 1, 2 and so on
  std::vector<std::int32_t> parents_;
  std::vector<int> path_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_PASS_RUNNER_H_
