#include "drafter/tree/candidates.h"

#include <algorithm>
#include <cstddef>

namespace recycling::drafter {

std::span<Candidate> CandidateFinder::Find(const CandidateSources& sources, const DraftPath& path) {
  if (answers_.size() < sources.size()) answers_.resize(sources.size());
  Candidate unnamed;
  std::size_t most = 0;
  for (std::size_t j = 0; j < sources.size(); ++j) {
    SourceAnswer& answer = answers_[j];
    answer.size = 0;
    sources[j]->Candidates(path, &answer);
    unnamed.classes[j] = answer.other_class;
    if (answer.size > 0) unnamed.answered_by |= static_cast<std::uint8_t>(1u << j);
    most += answer.size;
  }
  if (candidates_.size() < most) candidates_.resize(most);

  std::size_t size = 0;
  for (std::size_t j = 0; j < sources.size(); ++j) {
    const SourceAnswer& answer = answers_[j];
    if (answer.size == 0) continue;
    const DraftSourceSet origin = SetOf(sources[j]->origin());
    // A source names distinct tokens. So look for each one only among the tokens of earlier
    // sources.
    const auto earlier = candidates_.begin() + static_cast<std::ptrdiff_t>(size);
    for (std::size_t i = 0; i < answer.size; ++i) {
      const SourceAnswer::Named named = answer.named[i];
      const auto found =
          std::find_if(candidates_.begin(), earlier,
                       [named](const Candidate& other) { return other.token == named.token; });
      if (found != earlier) {
        found->classes[j] = named.token_class;
        found->origins |= origin;
        continue;
      }
      Candidate& added = candidates_[size];
      added = unnamed;
      added.token = named.token;
      added.rank = static_cast<std::uint32_t>(size);
      added.classes[j] = named.token_class;
      added.origins = origin;
      ++size;
    }
  }
  return std::span(candidates_).first(size);
}

}  // namespace recycling::drafter
