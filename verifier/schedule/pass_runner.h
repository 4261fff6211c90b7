// Runs one pass at a time over rows of any number of sequences. The rows are chunks of prompts and
// draft trees.
#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_RUNNER_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_RUNNER_H_

#include <algorithm>
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
#include "common/base/mutex.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "verifier/forward/transformer.h"
#include "verifier/kv/kv_cache.h"
#include "verifier/sampling/sampler.h"
#include "verifier/schedule/other_load.h"
#include "verifier/schedule/sequence_types.h"

namespace recycling::verifier {

// The state of a sequence between passes. After the prefill, n committed tokens have n - 1
// positions in the cache; the last token is the root of the next step. Threads: any thread may use
// `cancelled`. `busy` and `others` need the scheduler's lock. All other fields belong to the thread
// that works on the current operation; if there is none, they need the scheduler's lock.
struct SequenceState {
  std::uint32_t base() const { return static_cast<std::uint32_t>(tokens.size()); }
  bool prefilled() const { return kv->length() + 1 >= base(); }
  // The number of rows that are not prefilled yet. The root is never prefilled.
  int unfilled() const { return prefilled() ? 0 : static_cast<int>(base() - 1 - kv->length()); }
  TokenHistory history() const;
  // The number of leading positions whose keys and values may come from the cache. These are all
  // positions but the root and those whose candidates are wanted.
  std::uint32_t reusable() const { return base() - 1 - std::min(learn_last, base() - 1); }
  // Frees the slot. The cache keeps full pages for reuse by the same tenant.
  void Close();

  SamplingRules rules;
  std::unique_ptr<constraint::OutputConstraint> constraint;  // null: none
  std::uint32_t learn_last = 0;
  bool want_candidates = false;
  std::string tenant;
  std::size_t prompt_size = 0;
  std::vector<TokenId> tokens;     // committed: prompt and generated; at least one
  std::unique_ptr<KvSequence> kv;  // null after Close
  bool ended = false;              // a stop token was emitted
  std::atomic<bool> cancelled = false;
  bool busy = false;  // an operation waits or is under way
  OtherLoadMean others;
};

// A step that has passed all checks.
struct CheckedStep {
  DraftTree tree;  // the root alone for a plain step
  bool draft_ignored = false;
};

// Checks a step; the errors are those of Sequence::Verify. Cuts nodes whose tokens would not fit
// into the context, or into the positions that the cache has reserved for the sequence.
absl::StatusOr<CheckedStep> CheckStep(const SequenceState& state, VerifyStep step,
                                      const SchedulerOptions& options,
                                      std::uint32_t context_length);

// One sequence's rows in a pass.
struct PassPart {
  SequenceState* state = nullptr;
  const DraftTree* tree = nullptr;  // from CheckStep, perhaps cut; null: a chunk of the prompt
  int chunk_rows = 0;               // rows of the chunk, 1 to state->unfilled()
};

// Call order: Forward, then FinishChunk or FinishStep at most once for each part. Threads: inside
// ForEachPart, several threads may finish different parts at the same time. All other calls are not
// thread-safe.
class PassRunner {
 public:
  // `transformer` and `options` must outlive the runner.
  PassRunner(Transformer& transformer, const SchedulerOptions& options)
      : transformer_(transformer), options_(options) {}

  // Runs one pass over all parts. The parts must have different sequences and must live until they
  // are finished. On an error of Transformer::Forward, which it returns, every sequence is
  // unchanged.
  absl::Status Forward(std::span<const PassPart> parts, const std::atomic<bool>* cancelled);

  // Calls run(part) once for each part, on the threads that run passes. If there is one part, it
  // runs on the calling thread.
  void ForEachPart(absl::FunctionRef<void(std::size_t part)> run);

  // Commits the chunk, keeps its full pages for reuse and adds candidates to `result`. On an error
  // of Transformer::Commit, which it returns, the sequence is unchanged.
  absl::Status FinishChunk(std::size_t part, OpenResult& result);

  // Chooses the tokens, commits the accepted path and fills in the result, except timings,
  // draft_ignored and others. On an error of ChooseToken or Transformer::Commit, which it returns,
  // the sequence is unchanged.
  absl::StatusOr<StepResult> FinishStep(std::size_t part);

 private:
  struct Placed {
    PassPart part;
    int first_logit = 0;  // index of its first row among the logit rows of the pass
    int logits = 0;
  };
  // Memory for finishing one part.
  struct Scratch {
    SamplerScratch sampler;
    std::vector<int> path;
  };

  std::unique_ptr<Scratch> TakeScratch();
  void GiveScratch(std::unique_ptr<Scratch> scratch);
  absl::Status Commit(std::size_t part, std::span<const int> path);
  void AppendTopK(const Placed& placed, Candidates& candidates) const;

  Transformer& transformer_;
  const SchedulerOptions& options_;
  // The current pass.
  std::vector<Placed> placed_;
  std::vector<Segment> segments_;
  std::vector<int> rows_;              // 0, 1, 2 and so on
  std::vector<std::int32_t> parents_;  // -1, 0, 1 and so on

  Mutex mu_;
  std::vector<std::unique_ptr<Scratch>> scratch_ ABSL_GUARDED_BY(mu_);  // not in use
  Mutex commit_mu_;  // one thread at a time may call Transformer::Commit
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_RUNNER_H_
