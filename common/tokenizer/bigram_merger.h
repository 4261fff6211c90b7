// The merge loop that both tokenizer families share. It joins neighbouring pieces, the pair of the
// lowest rank first and the leftmost of equal ranks, until no pair is left that can be joined.
#ifndef RECYCLING_COMMON_TOKENIZER_BIGRAM_MERGER_H_
#define RECYCLING_COMMON_TOKENIZER_BIGRAM_MERGER_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace recycling {

// A token id, or kLoosePiece + n for a character or byte n that has no token.
using Piece = std::uint32_t;
inline constexpr Piece kLoosePiece = Piece{1} << 31;

struct Merge {
  std::uint32_t rank;
  Piece result;
};

// The pairs that can be joined. Keys are hashed with a seed of the process, so nobody can make a
// vocabulary whose keys collide. Threads: const methods from any thread.
class MergeTable {
 public:
  void Reserve(std::size_t pairs) { merges_.reserve(pairs); }

  // If the pair has been added before, the merge of the lower rank is kept.
  void Add(Piece left, Piece right, Merge merge);

  // Null if the pair cannot be joined. Valid until the next Add.
  const Merge* Find(Piece left, Piece right) const;

  // Joins pieces in place. O(n log n) for n pieces, however long the joined tokens are.
  // At most 2^32 - 2 pieces.
  void Apply(std::vector<Piece>& pieces) const;

 private:
  absl::flat_hash_map<std::uint64_t, Merge> merges_;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_BIGRAM_MERGER_H_
