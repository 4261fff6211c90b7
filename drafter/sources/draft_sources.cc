#include "drafter/sources/draft_sources.h"

#include <memory>

#include "drafter/sources/history_source.h"
#include "drafter/sources/matrix_source.h"
#include "drafter/sources/recent_source.h"

namespace recycling::drafter {

CandidateSources MakeSources(AdjacencyMatrix* matrix) {
  CandidateSources sources;
  sources.push_back(std::make_unique<MatrixSource>(matrix));
  sources.push_back(std::make_unique<RecentSource>(matrix));
  sources.push_back(std::make_unique<HistorySource>());
  return sources;
}

}  // namespace recycling::drafter
