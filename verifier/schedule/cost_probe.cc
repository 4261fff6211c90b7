#include "verifier/schedule/cost_probe.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace recycling::verifier {
namespace {

SchedulerOptions Checked(SchedulerOptions options) {
  options.k = std::min(options.k, options.vocab_size);
  return options;
}

// All drafted nodes are children of the root. Their tokens must differ, so the vocabulary is a
// limit, and they need a second position.
int MostRows(const Transformer& transformer, const SchedulerOptions& options) {
  if (transformer.context_length() < 2) return 1;
  return 1 + std::min(options.max_tree_nodes,
                      static_cast<int>(std::min<std::uint32_t>(options.vocab_size, 1U << 16)));
}

}  // namespace

CostProbe::CostProbe(Transformer& transformer, std::unique_ptr<KvCache> cache,
                     const SchedulerOptions& options, const Clock& clock)
    : transformer_(transformer),
      cache_(std::move(cache)),
      options_(Checked(options)),
      clock_(clock),
      runner_(transformer, options_),
      costs_(transformer.kernels(), MostRows(transformer, options)) {}

absl::StatusOr<std::unique_ptr<CostProbe>> CostProbe::Create(Transformer& transformer,
                                                             std::unique_ptr<KvCache> cache,
                                                             const SchedulerOptions& options,
                                                             const Clock& clock) {
  std::unique_ptr<CostProbe> probe(new CostProbe(transformer, std::move(cache), options, clock));
  SamplingOptions sampling;
  sampling.ignore_eos = true;
  ASSIGN_OR_RETURN(probe->state_.rules,
                   SamplingRules::Create(sampling, options.eos_ids, options.vocab_size));
  probe->state_.want_candidates = true;
  ASSIGN_OR_RETURN(probe->state_.kv, probe->cache_->Open());
  return probe;
}

absl::Status CostProbe::MeasureFirst(absl::Duration budget) {
  const absl::Duration begin = clock_.Monotonic();
  absl::Duration before;
  absl::Duration now = begin;
  do {
    before = now;
    RETURN_IF_ERROR(Measure(nullptr));
    now = clock_.Monotonic();
  } while (!costs_.ready() && now - begin + (now - before) < budget);
  ended_ = budget <= absl::ZeroDuration();
  LogCosts();
  return absl::OkStatus();
}

absl::Status CostProbe::MeasureNext(const std::atomic<bool>& cancelled) {
  RETURN_IF_ERROR(Measure(&cancelled));
  if (costs_.done()) LogCosts();
  return absl::OkStatus();
}

absl::Status CostProbe::Measure(const std::atomic<bool>* cancelled) {
  const KernelCosts::Measurement next = costs_.next();
  transformer_.UseKernels(KernelTable({static_cast<std::uint8_t>(next.kernel)}));
  const auto choose = absl::MakeCleanup([this] { transformer_.UseKernels(costs_.table()); });
  state_.tokens.assign(1, 0);
  state_.prompt_size = 1;
  RETURN_IF_ERROR(state_.kv->Truncate(0));
  DraftTree tree = DraftTree::Root(1, 0);
  // Tokens from the whole vocabulary, because in a mixture different tokens use different experts.
  const std::uint64_t nodes = static_cast<std::uint64_t>(next.rows) - 1;
  for (std::uint64_t node = 0; node < nodes; ++node) {
    tree.tokens.push_back(static_cast<TokenId>(node * options_.vocab_size / nodes));
    tree.parents.push_back(0);
  }
  const PassPart part = {.state = &state_, .tree = &tree};
  const absl::Duration begin = clock_.Monotonic();
  RETURN_IF_ERROR(runner_.Forward({&part, 1}, cancelled));
  RETURN_IF_ERROR(runner_.FinishStep(0).status());
  costs_.Add(clock_.Monotonic() - begin);
  return absl::OkStatus();
}

void CostProbe::LogCosts() const {
  Log(LogLevel::kInfo, costs_.done() ? "measured all passes" : "measured passes",
      {{"kernels", costs_.text()}, {"rows_micros", costs_.measured_text()}});
}

}  // namespace recycling::verifier
