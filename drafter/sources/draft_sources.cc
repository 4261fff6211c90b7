#include "drafter/sources/draft_sources.h"

#include <memory>

#include "drafter/sources/history_source.h"
#include "drafter/sources/matrix_source.h"
#include "drafter/sources/pair_source.h"
#include "drafter/sources/recent_source.h"

namespace recycling::drafter {

CandidateSources MakeSources(AdjacencyMatrix* matrix, PairMatrix* pairs) {
  CandidateSources sources;
  sources.push_back(std::make_unique<PairSource>(pairs));
  sources.push_back(std::make_unique<MatrixSource>(matrix));
  sources.push_back(std::make_unique<HistorySource>());
  sources.push_back(std::make_unique<RecentSource>());
  return sources;
}

}  // namespace recycling::drafter
