#include "drafter/service/drafter_metrics.h"

#include <array>
#include <cstddef>

namespace recycling::drafter {

void AddDrafterMetrics(const DrafterCounters::Snapshot& counters, std::uint32_t open_sessions,
                       const MatrixStore& store, MetricSet* metrics) {
  metrics->Gauge("recycling_drafter_sessions_active", "Sessions open now.", open_sessions);
  metrics->Counter("recycling_drafter_sessions_total", "Sessions opened.", counters.sessions);
  metrics->Durations(
      "recycling_drafter_draft_seconds",
      "Time to make a draft, including the time to learn the step that came with its request.",
      counters.drafts, kStepBounds);
  metrics->Counter("recycling_drafter_draft_tokens_total", "Tokens drafted.",
                   counters.draft_tokens);
  metrics->Counter("recycling_drafter_matrix_updates_total",
                   "Rows of steps and prompts that the drafter has learnt.", counters.rows_learnt);

  constexpr std::array<const char*, 3> kScopes = {"request", "tenant", "shared"};
  std::array<double, 3> matrices = {};
  std::array<double, 3> rows = {};
  for (const MatrixStore::Entry& entry : store.List()) {
    const auto scope = static_cast<std::size_t>(entry.key.scope);
    matrices[scope] += 1;
    rows[scope] += entry.memory->matrix.rows_filled();
  }
  for (std::size_t scope = 0; scope < kScopes.size(); ++scope) {
    const MetricLabels labels = {{"scope", kScopes[scope]}};
    metrics->Gauge("recycling_drafter_matrices", "Matrices in memory.", matrices[scope], labels);
    metrics->Gauge("recycling_drafter_matrix_rows_filled",
                   "Written rows of the matrices in memory.", rows[scope], labels);
  }
  metrics->Gauge("recycling_drafter_matrix_bytes", "Memory of all matrices, bytes.",
                 static_cast<double>(store.bytes()));
  const AdjacencyMatrix* const base = store.base();
  metrics->Gauge("recycling_drafter_base_matrix_bytes",
                 "Memory of the base matrix in use, bytes; 0 if there is none.",
                 base == nullptr ? 0 : static_cast<double>(base->memory_bytes()));
  metrics->Gauge("recycling_drafter_matrix_bytes_limit",
                 "Memory limit for all matrices together, bytes.",
                 static_cast<double>(store.options().max_bytes));
}

}  // namespace recycling::drafter
