// The estimator that counts: how often candidates of the same kind came true (acceptance.h).
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

// What tells candidates of the same rank apart: what the history says, or that the row is cold.
inline constexpr std::size_t kEvidences = kFollowClasses + 1;
inline constexpr std::size_t kJointKinds = kEvidences * kRankClasses;

// The matrix, the recent row and the history speak of the same tokens, so they are counted
// together: a kind is the rank and what the history says of the token (JointKind). Of tokens that
// followed before, only rank 0 is told from the others. Every other source is counted by itself:
// its classes are kinds of their own. Where several of these estimates exist for a token, the
// largest counts.
class CountingEstimator final : public Estimator {
 public:
  // `sources` are those of the candidates that it will see, in the same order. All sequences that
  // share `shared` have the same sources in the same order. `shared` must outlive this.
  CountingEstimator(const CandidateSources& sources, SharedAcceptance* shared);

  void Prepare() override;
  void Estimate(int depth, std::span<Candidate> candidates) const override;
  void Learn(int depth, std::span<const Candidate> candidates, TokenId chosen) override;
  void Publish() override;

  // The kind of a token that followed before (`follow`; `rank_class` in its row, or any but 0 if it
  // is not in it), or else of the token with this rank in the row of the parent or, if that is
  // `cold`, in the recent row.
  static constexpr std::uint16_t JointKind(FollowClass follow, bool cold, std::uint8_t rank_class) {
    const auto evidence = static_cast<std::size_t>(follow);
    const std::size_t kind = Followed(follow)
                                 ? evidence * kRankClasses + (rank_class == 0 ? 0 : 1)
                                 : (cold ? kFollowClasses : evidence) * kRankClasses + rank_class;
    return static_cast<std::uint16_t>(kind);
  }

 private:
  // A source that is counted by itself.
  struct Lone {
    std::size_t source = 0;
    std::uint16_t first_kind = 0;  // of its class 0
  };

  void SetJointPriors(const CandidateSources& sources);
  // Absent if none of matrix, recent row and history names the candidate.
  std::optional<std::uint16_t> JointKindOf(const Candidate& candidate) const;
  // Calls `each` with every kind of the candidate.
  template <typename Each>
  void ForEachKind(const Candidate& candidate, Each each) const;

  SharedAcceptance* const shared_;
  // Which of the sources these are. A source that is missing has the index kMaxSources, and no bit
  // of Candidate::named_by.
  struct Known {
    std::size_t source = kMaxSources;
    unsigned bit = 0;
  };
  Known matrix_, recent_, history_;
  std::vector<Lone> lone_;
  std::vector<double> priors_;             // [kinds]
  std::vector<AcceptanceCount> sequence_;  // [kinds] at any depth, of this sequence
  std::vector<KindCounts> counts_;         // as read last
  std::vector<KindEstimates> estimates_;   // [kinds] of the next tree
  std::vector<Trial> trials_;              // that are not published yet
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_COUNTING_ESTIMATOR_H_
