// Checks the rows of one pass and puts them in order.
#ifndef RECYCLING_VERIFIER_FORWARD_STEP_H_
#define RECYCLING_VERIFIER_FORWARD_STEP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "common/decoding/token_id.h"
#include "verifier/kv/kv_cache.h"

namespace recycling::verifier {

// Consecutive rows of one sequence in a pass. Row r is at absolute position length + depth(r).
// length is the number of positions that the sequence has in the cache, and depth is the number of
// ancestors of the row in the segment. A chain (parents -1, 0, 1 and so on) is a prefill chunk. In
// a tree the root comes first, with parent -1.
struct Segment {
  KvSequence* kv = nullptr;
  std::span<const TokenId> tokens;  // [rows]
  // [rows]. -1 means that the row follows the cached prefix. Any other parent is an earlier row of
  // the segment.
  std::span<const std::int32_t> parents;
  std::span<const int> logit_rows;  // rows that need logits, in ascending order; may be empty
};

// A segment in the layout of the pass.
struct StepSegment {
  KvSequence* kv = nullptr;
  std::uint32_t prefix = 0;   // positions in the cache
  std::size_t first_row = 0;  // in the pass
  std::size_t rows = 0;
  // The last layer computes outputs of rows [needed_from, rows) only: no logits of the rows before
  // are wanted, and no layer follows that would read them.
  std::size_t needed_from = 0;
  bool committed = false;
};

// The rows of a pass, for Forward and Commit.
struct Step {
  std::vector<StepSegment> segments;
  std::vector<TokenId> tokens;           // [rows]
  std::vector<std::int32_t> parents;     // [rows]; a row of the pass, or -1 for no parent
  std::vector<std::uint32_t> positions;  // [rows]; absolute
  std::vector<std::size_t> needed_rows;  // rows of the pass that the last layer computes, ascending
  std::vector<std::size_t> logit_rows;   // the rows with logits, as indices in needed_rows

  std::size_t rows() const { return tokens.size(); }
  // Removes all segments and rows but keeps the memory.
  void Clear();
};

struct StepLimits {
  std::size_t max_rows = 0;
  std::uint32_t vocab_size = 0;
  std::uint32_t context_length = 0;
  KvLayout layout;
};

// Puts the rows of `segments` into `step`, whose memory is reused. If a segment breaks a rule of
// Segment or a limit, returns InvalidArgument, which says what was wrong, and clears `step`.
absl::Status LayOut(std::span<const Segment> segments, const StepLimits& limits, Step& step);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_STEP_H_
