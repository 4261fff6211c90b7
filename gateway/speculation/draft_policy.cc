#include "gateway/speculation/draft_policy.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/speculation/step_prices.h"

namespace recycling::gateway {
namespace {

// The overhead of a drafted step before the first measurement.
constexpr absl::Duration kUsualOverhead = absl::Microseconds(300);

// Prices for which every node pays: each step costs the same.
std::vector<StepCost> FreeNodes() { return {{.nodes = 0, .micros = 1}}; }

}  // namespace

DraftPolicy::DraftPolicy(DraftWish wish, DraftLedger& ledger)
    : wish_(std::move(wish)), guarded_(wish_.mode == Speculation::kAuto), ledger_(ledger) {}

void DraftPolicy::Follow(const std::string& verifier) {
  costs_.clear();
  others_ = {};
  if (wish_.mode == Speculation::kOff) return;
  const std::string kind =
      absl::StrCat(wish_.tenant, "\n", verifier, "\n", static_cast<int>(wish_.scope));
  place_.emplace(ledger_.Kind(kind), guarded_);
}

bool DraftPolicy::WantsCandidates() {
  learns_ = wish_.mode != Speculation::kOff &&
            (!guarded_ || !place_->paused() || wish_.learns_prompt || MayTeach());
  return learns_;
}

bool DraftPolicy::MayTeach() { return wish_.scope == MatrixScope::kRequest || place_->Teach(); }

StepPlan DraftPolicy::Plan(int max_tree_nodes, std::uint32_t tokens_allowed,
                           const std::optional<Observation>& unheard) {
  StepPlan plan;
  plan.limits = LimitsOf(wish_.node_budget, max_tree_nodes, tokens_allowed);
  const bool useful = plan.limits.useful();
  paused_ = useful && guarded_ && !(learns_ && place_->Ask());
  if (useful) resting_ = paused_;
  plan.ask = useful && !paused_;
  if (unheard.has_value() && HoldsBack(resting_, *unheard)) {
    plan.telling = Telling::kHold;
  } else if (unheard.has_value() && resting_ && !MayTeach()) {
    plan.telling = Telling::kDrop;
  }
  if (!plan.ask) return plan;
  if (guarded_) {
    plan.other_tokens = others_.tokens;
    plan.prices = PriceSteps(costs_, place_->overhead().drafted.value_or(kUsualOverhead), others_,
                             plan.limits.nodes);
  } else if (wish_.mode == Speculation::kFull) {
    plan.prices = FreeNodes();
  }
  return plan;
}

void DraftPolicy::Judge(const StepMeasures& measures, const std::vector<PassCost>& costs,
                        const OtherLoad& others) {
  if (!costs.empty()) costs_ = costs;
  others_ = others;
  if (measures.moved) return;
  if (!measures.opened_streams) {
    std::optional<absl::Duration> drafted;
    if (measures.draft_came) drafted = measures.overhead;
    place_->RecordOverhead(measures.plain_overhead(), drafted);
  }
  if (!guarded_) return;
  const StepVerdict verdict = JudgeStep(measures, place_->overhead(), costs_, others_);
  if (measures.waited && !costs_.empty()) {
    place_->Asked(measures.tokens, verdict.took, verdict.plain, others_.tokens);
  } else if (paused_) {
    place_->Paused(verdict.took, others_.tokens);
  }
}

std::optional<double> DraftPolicy::row_cost() const { return RowCost(costs_, others_); }

std::optional<absl::Duration> DraftPolicy::plain_step() const {
  if (!place_.has_value()) return std::nullopt;
  const std::optional<absl::Duration> overhead = place_->overhead().plain;
  if (!overhead.has_value()) return std::nullopt;
  return PlainStepCost(costs_, *overhead, others_);
}

}  // namespace recycling::gateway
