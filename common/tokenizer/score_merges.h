// Finds the pairs that a vocabulary with scores can join.
#ifndef RECYCLING_COMMON_TOKENIZER_SCORE_MERGES_H_
#define RECYCLING_COMMON_TOKENIZER_SCORE_MERGES_H_

#include "absl/container/flat_hash_map.h"
#include "common/tokenizer/bigram_merger.h"
#include "common/tokenizer/tokenizer.h"

namespace recycling {

struct ScoreMerges {
  // The tokens that are one character. A character without a token is the piece kLoosePiece + its
  // code point.
  absl::flat_hash_map<char32_t, Piece> characters;
  // Every way to write a normal token as two pieces. Ranks follow the scores, highest first. Equal
  // scores have equal ranks. Without scores all ranks are equal.
  MergeTable merges;
};

// Uses normal tokens only. Among equal texts the last one counts. Leaves out tokens that are not
// UTF-8, because no text can hold them. Memory is linear in the bytes of the vocabulary, and so is
// the time, apart from sorting.
ScoreMerges FindScoreMerges(const TokenizerData& data);

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_SCORE_MERGES_H_
