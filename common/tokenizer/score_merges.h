// The pairs that a vocabulary with scores can join.
#ifndef RECYCLING_COMMON_TOKENIZER_SCORE_MERGES_H_
#define RECYCLING_COMMON_TOKENIZER_SCORE_MERGES_H_

#include "absl/container/flat_hash_map.h"
#include "common/tokenizer/bigram_merger.h"
#include "common/tokenizer/tokenizer.h"

namespace recycling {

struct ScoreMerges {
  // Tokens of one character. A character that is not here is piece kLoosePiece + its code point.
  absl::flat_hash_map<char32_t, Piece> characters;
  // Every way to write a normal token as two pieces. Ranks follow the scores, highest first; equal
  // scores have equal ranks. No scores: all are equal.
  MergeTable merges;
};

// Only normal tokens take part; of equal texts the last counts. Tokens that are not UTF-8 are left
// out, since no text can hold them. Memory is linear in the bytes of the vocabulary, and so is
// time, apart from the sorting.
ScoreMerges FindScoreMerges(const TokenizerData& data);

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_SCORE_MERGES_H_
