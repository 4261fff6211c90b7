// What goes into a sequence and what comes out of it.
#ifndef RECYCLING_VERIFIER_SEQUENCE_TYPES_H_
#define RECYCLING_VERIFIER_SEQUENCE_TYPES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "common/draft_tree.h"
#include "common/sampling_options.h"
#include "common/token_id.h"

namespace recycling::verifier {

struct SchedulerOptions {
  std::uint32_t vocab_size = 0;
  std::vector<TokenId> eos_ids;  // end-of-sequence ids, may be empty
  std::uint32_t k = 8;           // candidates per row, 1 to 64; at most vocab_size are returned
  int max_tree_nodes = 256;      // beside the root, >= 0; one less than a pass may have rows
  int prefill_chunk = 256;       // rows of a prefill pass, >= 1, at most what a pass may have
};

struct SequenceOptions {
  std::vector<TokenId> prompt_ids;     // at least one
  std::vector<TokenId> generated_ids;  // emitted before; with the prompt at most the context length
  SamplingOptions sampling;            // max_tokens is not read
  std::uint32_t learn_last = 0;  // candidates of the last so many prefilled tokens; UINT32_MAX: all
  bool want_candidates = false;  // of the rows of verify steps
};

// queue: from arrival, and from the end of each chunk, to the start of the next pass. forward: in
// passes. sample: choosing, accepting, selecting candidates.
struct StepTimings {
  absl::Duration queue;
  absl::Duration forward;
  absl::Duration sample;
};

struct OpenResult {
  std::uint32_t base = 0;        // committed tokens, root included
  Candidates prompt_candidates;  // rows [base - 1 - rows, base - 1)
  StepTimings timings;
};

struct VerifyStep {
  std::uint32_t base = 0;         // must be the sequence's own count of committed tokens
  std::optional<DraftTree> tree;  // absent: a plain step
};

struct StepResult {
  std::vector<TokenId> tokens;         // accepted draft tokens and the bonus token; at least one
  std::vector<int> accepted_nodes;     // from the root's child down; one fewer than tokens
  Candidates candidates;               // of every row, root first; k is 0 unless wanted
  std::vector<TokenLogprob> logprobs;  // as many as tokens if top_logprobs is set, else none
  bool draft_ignored = false;          // the tree was for another base
  int rows = 0;                        // of the pass
  StepTimings timings;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SEQUENCE_TYPES_H_
