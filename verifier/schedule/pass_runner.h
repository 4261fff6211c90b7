// One pass at a time, over rows of any number of sequences: chunks of prompts and draft trees.
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

// A sequence between passes. Once prefilled, n committed tokens have n - 1 positions in the cache;
// the last token is the root of the next step. Threads: `cancelled` may be used by any thread,
// `busy` and `others` under the scheduler's lock; the rest belongs to whoever works on the
// operation under way, else to the holder of that lock.
struct SequenceState {
  std::uint32_t base() const { return static_cast<std::uint32_t>(tokens.size()); }
  bool prefilled() const { return kv->length() + 1 >= base(); }
  // Rows that are still to be prefilled; the root is not.
  int unfilled() const { return prefilled() ? 0 : static_cast<int>(base() - 1 - kv->length()); }
  TokenHistory history() const;
  // Positions whose keys and values need not be computed here: all but the root's, and but those of
  // rows whose candidates are wanted.
  std::uint32_t reusable() const { return base() - 1 - std::min(learn_last, base() - 1); }
  // Gives the slot back; what can be reused is kept for the tenant.
  void Close();

  SamplingRules rules;
  std::uint32_t learn_last = 0;
  bool want_candidates = false;
  std::string tenant;
  std::size_t prompt_size = 0;
  std::vector<TokenId> tokens;     // committed: prompt and generated; at least one
  std::unique_ptr<KvSequence> kv;  // null once the slot is given back
  bool ended = false;              // a stop token was emitted
  std::atomic<bool> cancelled = false;
  bool busy = false;  // an operation is under way, or waits
  OtherLoadMean others;
};

// A step that can be verified.
struct CheckedStep {
  DraftTree tree;  // the root alone for a plain step
  bool draft_ignored = false;
};

// Errors are Sequence::Verify's. Nodes that could not be emitted within the context, or within what
// the cache has promised, are cut.
absl::StatusOr<CheckedStep> CheckStep(const SequenceState& state, VerifyStep step,
                                      const SchedulerOptions& options,
                                      std::uint32_t context_length);

// One sequence's rows in a pass.
struct PassPart {
  SequenceState* state = nullptr;
  const DraftTree* tree = nullptr;  // as CheckStep gave it, or cut; null: a chunk of the prompt
  int chunk_rows = 0;               // of the chunk, 1 to state->unfilled()
};

// Call order: Forward, then for each part Finish... at most once. Threads: Finish... of different
// parts at the same time, inside ForEachPart; else not thread-safe.
class PassRunner {
 public:
  // All must outlive the runner.
  PassRunner(Transformer& transformer, const SchedulerOptions& options)
      : transformer_(transformer), options_(options) {}

  // One pass over all parts, whose sequences must differ and which must live until the last
  // Finish... . Errors are Transformer::Forward's; every sequence stays what it was.
  absl::Status Forward(std::span<const PassPart> parts, const std::atomic<bool>* cancelled);

  // Calls run(part) once for each part, on the threads that run passes; a single part on this one.
  void ForEachPart(absl::FunctionRef<void(std::size_t part)> run);

  // Commits the chunk, keeps its full pages and adds candidates to `result`. On an error, Commit's,
  // the sequence stays what it was.
  absl::Status FinishChunk(std::size_t part, OpenResult& result);

  // Chooses, commits, and reads what the answer needs; timings and draft_ignored are left to the
  // caller. Errors are ChooseToken's and Commit's; the sequence stays what it was.
  absl::StatusOr<StepResult> FinishStep(std::size_t part);

 private:
  struct Placed {
    PassPart part;
    int first_logit = 0;  // of the pass
    int logits = 0;
  };
  // Memory of one Finish...
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
  // The pass.
  std::vector<Placed> placed_;
  std::vector<Segment> segments_;
  std::vector<int> rows_;              // 0, 1, 2 and so on
  std::vector<std::int32_t> parents_;  // -1, 0, 1 and so on

  Mutex mu_;
  std::vector<std::unique_ptr<Scratch>> scratch_ ABSL_GUARDED_BY(mu_);  // as many as threads used
  Mutex commit_mu_;  // Transformer::Commit is for one thread at a time
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_RUNNER_H_
