// Classes of the tokens of a matrix row, by their rank in the row.
#ifndef RECYCLING_DRAFTER_SOURCES_RANKED_ROW_H_
#define RECYCLING_DRAFTER_SOURCES_RANKED_ROW_H_

#include <cstdint>
#include <span>

#include "common/decoding/token_id.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// Each of the ranks 0 to 7 has its own class. The ranks 8 to 15 share one class, and so do 16 to 31
// and 32 to 63.
inline constexpr std::uint8_t kRankClasses = 11;
// The class of a token that is not in the row.
inline constexpr std::uint8_t kNotInRow = kRankClasses;

// Names the tokens of `row`; the first has rank 0. Adds `first_class` to the classes above, so that
// a source with several kinds of rows can keep them apart. Requires at most kMaxK distinct tokens.
inline void NameRow(std::span<const TokenId> row, SourceAnswer* answer,
                    std::uint8_t first_class = 0) {
  answer->other_class = static_cast<std::uint8_t>(first_class + kNotInRow);
  for (std::uint32_t rank = 0; rank < row.size(); ++rank) {
    const std::uint32_t rank_class = rank < 8 ? rank : rank < 16 ? 8 : rank < 32 ? 9 : 10;
    answer->Name(row[rank], static_cast<std::uint8_t>(first_class + rank_class));
  }
}

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_RANKED_ROW_H_
