// Proposes the best candidates of the last accepted node once more: what the model did not choose
// one token ago, it often chooses a few tokens later.
#ifndef RECYCLING_DRAFTER_SOURCES_RECENT_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_RECENT_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/decoding/token_id.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// Names the first kRecentRanks candidates of the last accepted node, without the token that the
// model chose there. It names the same tokens after every node of a tree. The class of a token is
// its rank, counted apart for the depths 1, 2 and more.
class RecentSource final : public CandidateSource {
 public:
  static constexpr std::size_t kRecentRanks = 4;
  static constexpr std::size_t kDepths = 3;

  DraftSource origin() const override { return DraftSource::kRecent; }
  std::size_t classes() const override { return kDepths * (kRecentRanks + 1); }
  double Prior(std::uint8_t token_class) const override;
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override;
  void Observe(const ObservedStep& step) override;

 private:
  std::vector<TokenId> row_;  // best first; empty before the first step
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_RECENT_SOURCE_H_
