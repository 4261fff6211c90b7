// The merge loop that both tokenizer families share: neighbouring pieces are joined, the pair of
// lowest rank first and of equal ranks the leftmost one, until no known pair is left.
#ifndef RECYCLING_COMMON_TOKENIZER_BIGRAM_MERGER_H_
#define RECYCLING_COMMON_TOKENIZER_BIGRAM_MERGER_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace recycling {

// A token id, or kLoosePiece + n for a character or byte n that no token stands for.
using Piece = std::uint32_t;
inline constexpr Piece kLoosePiece = Piece{1} << 31;

struct Merge {
  std::uint32_t rank;
  Piece result;
};

// Which pairs can be joined. Keys are hashed with a per-process seed, so a vocabulary cannot be
// made to collide. Threads: const methods from any thread.
class MergeTable {
 public:
  void Reserve(std::size_t pairs) { merges_.reserve(pairs); }

  // Keeps the merge of lowest rank if the pair is there already.
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
