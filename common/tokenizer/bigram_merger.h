// The merge loop of both tokenizer families. It joins neighbouring pieces until no pair can be
// joined. The pair of the lowest rank comes first; among equal ranks the leftmost.
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

// The pairs that can be joined. The hash of the keys uses a random seed of the process, so nobody
// can make a vocabulary whose keys collide. Threads: const methods from any thread.
class MergeTable {
 public:
  void Reserve(std::size_t pairs) { merges_.reserve(pairs); }

  // If the pair was added before, the merge with the lower rank stays.
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
