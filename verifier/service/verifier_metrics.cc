#include "verifier/service/verifier_metrics.h"

#include "absl/strings/str_cat.h"

namespace recycling::verifier {
namespace {

// The curve of `costs`, whose points move about, at `rows`.
double MicrosAt(const std::vector<PassCost>& costs, double rows) {
  const PassCost* below = &costs.front();
  for (const PassCost& cost : costs) {
    if (cost.rows >= rows) {
      if (cost.rows == below->rows) return cost.micros;
      const double share = (rows - below->rows) / (cost.rows - below->rows);
      return below->micros + share * (double{1} * cost.micros - below->micros);
    }
    below = &cost;
  }
  return below->micros;
}

void AddCache(const KvUsage& usage, MetricSet* metrics) {
  const auto bound = static_cast<double>(usage.bound_bytes);
  const auto taken = static_cast<double>(usage.promised_bytes + usage.held_bytes);
  metrics->Gauge(
      "recycling_kv_cache_usage_perc",
      "Share of the key-value cache that open sequences hold or were promised; 1 is all.",
      bound > 0 ? taken / bound : 0);
  constexpr char kBytes[] = "recycling_verifier_kv_bytes";
  constexpr char kHelp[] =
      "Key-value cache: held by open sequences, promised to them, kept for reuse.";
  metrics->Gauge(kBytes, kHelp, static_cast<double>(usage.held_bytes), {{"state", "held"}});
  metrics->Gauge(kBytes, kHelp, static_cast<double>(usage.promised_bytes), {{"state", "promised"}});
  metrics->Gauge(kBytes, kHelp, static_cast<double>(usage.cached_bytes), {{"state", "cached"}});
  metrics->Gauge("recycling_verifier_kv_bytes_limit", "The most it may take.", bound);
  metrics->Counter("recycling_prefix_cache_queries_total",
                   "Prompt tokens that were looked up among those kept for reuse.",
                   usage.queried_tokens);
  metrics->Counter("recycling_prefix_cache_hits_total", "Of these, found.", usage.found_tokens);
  metrics->Counter("recycling_verifier_kv_evicted_pages_total",
                   "Pages kept for reuse that were dropped for room.", usage.evicted_pages);
}

void AddPasses(const SchedulerCounts& counts, MetricSet* metrics) {
  metrics->Durations("recycling_verifier_pass_seconds", "Passes, choosing tokens included.",
                     counts.took, {});
  metrics->Counter("recycling_verifier_pass_sequences_total",
                   "Sequences that had rows in a pass, of all passes.", counts.shares);
  constexpr char kRows[] = "recycling_verifier_rows_total";
  constexpr char kHelp[] = "Rows of all passes: roots of steps, drafted nodes, tokens of prompts.";
  metrics->Counter(kRows, kHelp, counts.steps, {{"kind", "root"}});
  metrics->Counter(kRows, kHelp, counts.draft_rows, {{"kind", "draft"}});
  metrics->Counter(kRows, kHelp, counts.prefill_rows, {{"kind", "prefill"}});
  metrics->Counter("recycling_verifier_cut_draft_rows_total",
                   "Drafted nodes that were offered and found no room in a pass.", counts.cut_rows);
}

}  // namespace

void AddVerifierMetrics(const Scheduler& scheduler, const KvCache& cache, MetricSet* metrics) {
  AddCache(cache.usage(), metrics);
  const Load load = scheduler.load();
  metrics->Gauge("recycling_verifier_sequences_open", "Sequences open now.", load.open_sequences);
  metrics->Gauge("recycling_verifier_sequences_limit", "The most that may be open.",
                 scheduler.max_sequences());
  metrics->Gauge("recycling_verifier_queue", "Operations that wait for a pass.",
                 load.queued_passes);
  AddPasses(scheduler.counts(), metrics);
  if (load.pass_costs.empty()) return;
  for (const int rows : {1, 2, 4, 8, 16, 32, 64}) {
    metrics->Gauge("recycling_verifier_pass_cost_seconds",
                   "What a pass of so many rows costs now, as gateways are told.",
                   MicrosAt(load.pass_costs, rows) / 1e6, {{"rows", absl::StrCat(rows)}});
  }
}

}  // namespace recycling::verifier
