// An estimator that counts how often the model chose candidates of the same kind (acceptance.h).
#ifndef RECYCLING_DRAFTER_TREE_COUNTING_ESTIMATOR_H_
#define RECYCLING_DRAFTER_TREE_COUNTING_ESTIMATOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "drafter/sources/candidate_source.h"
#include "drafter/sources/history_source.h"
#include "drafter/sources/ranked_row.h"
#include "drafter/tree/acceptance.h"
#include "drafter/tree/estimator.h"

namespace recycling::drafter {

// Candidates of one rank have this many kinds: one for each FollowClass, and one for a cold row.
inline constexpr std::size_t kEvidences = kFollowClasses + 1;
inline constexpr std::size_t kJointKinds = kEvidences * kRankClasses;

// MatrixSource, RecentSource and HistorySource often name the same tokens. So the estimator counts
// them together: a joint kind is a rank class and a FollowClass (JointKind). For a token that
// followed before, the joint kind says only whether its rank is 0. Each other source has its own
// kinds, which are its classes. If a token has several estimates, its probability is the largest of
// them.
class CountingEstimator final : public Estimator {
 public:
  // `sources` must be the sources that give the candidates, in the same order. All sequences that
  // share `shared` must have the same sources in the same order. `shared` must outlive this.
  CountingEstimator(const CandidateSources& sources, SharedAcceptance* shared);

  void Prepare() override;
  void Estimate(int depth, std::span<Candidate> candidates) const override;
  void Learn(int depth, std::span<const Candidate> candidates, TokenId chosen) override;
  void Publish() override;

  // The joint kind of a token with the class `follow`. `rank_class` is the token's rank class in
  // the matrix row, or among the candidates of RecentSource if the matrix row is `cold`. If the
  // token followed before, the kind depends only on `follow` and on whether `rank_class` is 0. Such
  // a token may be missing from the row; then `rank_class` may be any value but 0.
  static constexpr std::uint16_t JointKind(FollowClass follow, bool cold, std::uint8_t rank_class) {
    const auto evidence = static_cast<std::size_t>(follow);
    const std::size_t kind = Followed(follow)
                                 ? evidence * kRankClasses + (rank_class == 0 ? 0 : 1)
                                 : (cold ? kFollowClasses : evidence) * kRankClasses + rank_class;
    return static_cast<std::uint16_t>(kind);
  }

 private:
  // A source that has its own kinds.
  struct Lone {
    std::size_t source = 0;
    std::uint16_t first_kind = 0;  // the kind of its class 0
  };

  void SetJointPriors(const CandidateSources& sources);
  // Absent if none of MatrixSource, RecentSource and HistorySource names the candidate.
  std::optional<std::uint16_t> JointKindOf(const Candidate& candidate) const;
  // Calls `each` with every kind of the candidate.
  template <typename Each>
  void ForEachKind(const Candidate& candidate, Each each) const;

  SharedAcceptance* const shared_;
  // The position of a source among the sources. If the source is missing, the index is kMaxSources
  // and the bit of Candidate::named_by is 0.
  struct Known {
    std::size_t source = kMaxSources;
    unsigned bit = 0;
  };
  Known matrix_, recent_, history_;
  std::vector<Lone> lone_;
  std::vector<double> priors_;             // [kinds]
  std::vector<AcceptanceCount> sequence_;  // [kinds] of this sequence, at any depth
  std::vector<KindCounts> counts_;         // the result of the last SharedAcceptance::Read
  std::vector<KindEstimates> estimates_;   // [kinds] for the next tree
  std::vector<Trial> trials_;              // trials that Publish has not shared yet
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_COUNTING_ESTIMATOR_H_
