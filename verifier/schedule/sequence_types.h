// The requests and answers of a sequence.
#ifndef RECYCLING_VERIFIER_SCHEDULE_SEQUENCE_TYPES_H_
#define RECYCLING_VERIFIER_SCHEDULE_SEQUENCE_TYPES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/constraint/constraint.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/sampling_options.h"
#include "common/decoding/token_id.h"

namespace recycling::verifier {

struct SchedulerOptions {
  std::uint32_t vocab_size = 0;
  std::vector<TokenId> eos_ids;  // end-of-sequence ids, may be empty
  std::uint32_t k = 8;           // candidates per row, 1 to 64; at most vocab_size are returned
  int max_tree_nodes = 256;      // without the root, >= 0, at most max_rows - 1
  int prefill_chunk = 256;       // prefill rows of a pass, >= 1, at most max_rows
  int max_rows = 257;            // of a pass; at least max_tree_nodes + 1
  // Null: sequences with a constraint are refused.
  std::shared_ptr<constraint::ConstraintCache> constraints = nullptr;
};

struct SequenceOptions {
  std::vector<TokenId> prompt_ids;     // at least one
  std::vector<TokenId> generated_ids;  // emitted before; with the prompt at most the context
  SamplingOptions sampling;      // max_tokens limits generated_ids and new output; absent: no limit
  std::uint32_t learn_last = 0;  // last prefilled tokens that get candidates; UINT32_MAX: all
  bool want_candidates = false;  // for the rows of verify steps
  std::string tenant;            // tenants share passes fairly; the empty name is a tenant too
};

// Parts of the time from the arrival of an operation to its answer. The three parts add up to the
// whole time. queue: the operation waits for a pass, after its arrival and after each chunk of a
// prompt. forward: the operation is in a pass; the whole time of the pass counts, also if other
// sequences share it. sample: from the end of the forward pass to the answer.
struct StepTimings {
  absl::Duration queue;
  absl::Duration forward;
  absl::Duration sample;
};

// The work for other sequences, in the passes of one sequence and between them. The numbers are
// means over the last passes of the sequence.
struct OtherLoad {
  double rows = 0;        // of steps of other sequences in the same pass
  double tokens = 0;      // of other sequences, from the end of one pass to the end of the next
  absl::Duration passes;  // of passes between two passes of the sequence
};

struct OpenResult {
  std::uint32_t base = 0;           // number of committed tokens, with the root
  std::uint32_t cached_tokens = 0;  // tokens whose keys and values were in the cache
  Candidates prompt_candidates;     // of the last prefilled tokens, learn_last or fewer
  StepTimings timings;
};

struct VerifyStep {
  std::uint32_t base = 0;         // number of committed tokens of the sequence
  std::optional<DraftTree> tree;  // absent: a plain step
};

struct StepResult {
  std::vector<TokenId> tokens;         // accepted draft tokens and the bonus token; at least one
  std::vector<int> accepted_nodes;     // from the root's child down; one fewer than tokens
  Candidates candidates;               // of every row, root first; k is 0 if not wanted
  std::vector<TokenLogprob> logprobs;  // as many as tokens if top_logprobs is set, else none
  bool draft_ignored = false;          // the tree was for another base
  int rows = 0;  // of this sequence in the pass: the root and the first nodes of the tree
  StepTimings timings;
  OtherLoad others;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_SEQUENCE_TYPES_H_
