#include "verifier/service/verifier_metrics.h"

#include "absl/strings/str_cat.h"

namespace recycling::verifier {
namespace {

// The time of a pass of `rows` rows in microseconds, by linear interpolation in `costs`.
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
      "Bytes of the key-value cache that open sequences hold, that are promised to open sequences, "
      "or that are kept for reuse.";
  metrics->Gauge(kBytes, kHelp, static_cast<double>(usage.held_bytes), {{"state", "held"}});
  metrics->Gauge(kBytes, kHelp, static_cast<double>(usage.promised_bytes), {{"state", "promised"}});
  metrics->Gauge(kBytes, kHelp, static_cast<double>(usage.cached_bytes), {{"state", "cached"}});
  metrics->Gauge("recycling_verifier_kv_bytes_limit", "Bound on the memory of the key-value cache.",
                 bound);
  metrics->Counter(
      "recycling_prefix_cache_queries_total",
      "Tokens that were looked up in the prefix cache when a sequence opened: its prompt and its "
      "earlier output.",
      usage.queried_tokens);
  metrics->Counter("recycling_prefix_cache_hits_total",
                   "Looked-up tokens that were found in the prefix cache.", usage.found_tokens);
  metrics->Counter("recycling_verifier_kv_evicted_pages_total",
                   "Pages kept for reuse that were dropped to make room.", usage.evicted_pages);
}

void AddPasses(const SchedulerCounts& counts, MetricSet* metrics) {
  metrics->Durations("recycling_verifier_pass_seconds", "Duration of passes, sampling included.",
                     counts.took, {});
  metrics->Counter("recycling_verifier_pass_sequences_total",
                   "Sequences in each pass, summed over all passes.", counts.shares);
  constexpr char kRows[] = "recycling_verifier_rows_total";
  constexpr char kHelp[] = "Rows of all passes: roots of steps, drafted nodes, tokens of prompts.";
  metrics->Counter(kRows, kHelp, counts.steps, {{"kind", "root"}});
  metrics->Counter(kRows, kHelp, counts.draft_rows, {{"kind", "draft"}});
  metrics->Counter(kRows, kHelp, counts.prefill_rows, {{"kind", "prefill"}});
  metrics->Counter("recycling_verifier_cut_draft_rows_total",
                   "Drafted nodes that were left out because a pass had no room.", counts.cut_rows);
}

}  // namespace

void AddVerifierMetrics(const Scheduler& scheduler, MetricSet* metrics) {
  AddCache(scheduler.kv_usage(), metrics);
  const Load load = scheduler.load();
  metrics->Gauge("recycling_verifier_sequences_open", "Sequences open now.", load.open_sequences);
  metrics->Gauge("recycling_verifier_sequences_limit", "Sequences that may be open at once.",
                 scheduler.max_sequences());
  metrics->Gauge("recycling_verifier_queue", "Operations that wait for a pass.",
                 load.queued_passes);
  AddPasses(scheduler.counts(), metrics);
  for (const KernelCosts::Use& use : scheduler.kernel_costs().uses()) {
    metrics->Gauge(
        "recycling_verifier_kernel",
        "The kernel that passes of so many rows use. 1: it was chosen by measured costs; "
        "0: by estimated ones.",
        use.estimated ? 0 : 1, {{"rows", absl::StrCat(use.rows)}, {"kernel", use.kernel}});
  }
  if (load.pass_costs.empty()) return;
  for (const int rows : {1, 2, 4, 8, 16, 32, 64}) {
    metrics->Gauge("recycling_verifier_pass_cost_seconds",
                   "Measured duration of a pass by its number of rows, as the verifier reports it "
                   "to gateways.",
                   MicrosAt(load.pass_costs, rows) / 1e6, {{"rows", absl::StrCat(rows)}});
  }
}

}  // namespace recycling::verifier
