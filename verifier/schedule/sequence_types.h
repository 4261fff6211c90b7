// The requests and answers of a sequence.
#ifndef RECYCLING_VERIFIER_SCHEDULE_SEQUENCE_TYPES_H_
#define RECYCLING_VERIFIER_SCHEDULE_SEQUENCE_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/sampling_options.h"
#include "common/decoding/token_id.h"

namespace recycling::verifier {

struct SchedulerOptions {
  std::uint32_t vocab_size = 0;
  std::vector<TokenId> eos_ids;  // end-of-sequence ids, may be empty
  std::uint32_t k = 8;           // candidates per row, 1 to 64; at most vocab_size are returned
  int max_tree_nodes = 256;      // beside the root, >= 0; one less than a pass may have rows
  int prefill_chunk = 256;       // prefill rows of a pass, >= 1, at most max_rows
  int max_rows = 257;            // of a pass; at least max_tree_nodes + 1
};

struct SequenceOptions {
  std::vector<TokenId> prompt_ids;     // at least one
  std::vector<TokenId> generated_ids;  // emitted before; with the prompt at most the context length
  SamplingOptions
      sampling;  // max_tokens: most of the output, generated_ids included; absent: no limit
  std::uint32_t learn_last = 0;  // candidates of the last so many prefilled tokens; UINT32_MAX: all
  bool want_candidates = false;  // of the rows of verify steps
  std::string tenant;            // tenants share passes fairly; the empty name is a tenant too
};

// Where the time from the arrival of an operation to its answer went. The three add up to all of
// it. queue: waiting for a pass, after the arrival and after each chunk of a prompt. forward: in
// passes; the whole time of a pass counts, also if others share it. sample: from the end of a pass
// to the answer.
struct StepTimings {
  absl::Duration queue;
  absl::Duration forward;
  absl::Duration sample;
};

// What a sequence's passes do for other sequences: means over the last passes it was in.
struct OtherLoad {
  double rows = 0;    // of other sequences' steps in a pass with it
  double tokens = 0;  // emitted for others from the end of one of its passes to the end of the next
  absl::Duration passes;  // duration of others' passes between one of its passes and the next
};

struct OpenResult {
  std::uint32_t base = 0;           // committed tokens, root included
  std::uint32_t cached_tokens = 0;  // whose keys and values were found in the cache
  Candidates prompt_candidates;     // rows [base - 1 - rows, base - 1)
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
  int rows = 0;  // of this sequence in the pass: the root and the first nodes of the tree
  StepTimings timings;
  OtherLoad others;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_SEQUENCE_TYPES_H_
