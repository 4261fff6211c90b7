// Decides when and how much one request drafts. The policy remembers what the verifier says of its
// costs, asks the guard that all requests of its kind share (draft_ledger.h), and applies the rules
// of drafting_rules.h. The decode loop asks the policy before each step and tells it what came of
// the step.
#ifndef RECYCLING_GATEWAY_SPECULATION_DRAFT_POLICY_H_
#define RECYCLING_GATEWAY_SPECULATION_DRAFT_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/clients/drafter_client.h"
#include "gateway/clients/verifier_client.h"
#include "gateway/speculation/draft_ledger.h"
#include "gateway/speculation/drafting_rules.h"

namespace recycling::gateway {

// What a request says of drafting.
struct DraftWish {
  Speculation mode = Speculation::kAuto;
  int node_budget = 0;         // most drafted nodes a step
  bool learns_prompt = false;  // from the candidates of its prompt
  MatrixScope scope = MatrixScope::kTenant;
  std::string tenant;
};

// What the next step does.
struct StepPlan {
  bool ask = false;              // for a draft
  TreeLimits limits;             // of that draft
  std::vector<StepCost> prices;  // of a step by its number of nodes; empty: the drafter gets none
  double other_tokens = 0;       // that other sequences are given in the time of a step
  Telling telling = Telling::kNow;
};

// Call order: Follow WantsCandidates Costs? (Plan Judge)* TellsTheLast; Follow again whenever the
// sequence has moved. Threads: one.
class DraftPolicy {
 public:
  // `ledger` must outlive this.
  DraftPolicy(DraftWish wish, DraftLedger& ledger);

  // The sequence is at the verifier of this address. What is known of another verifier is
  // forgotten.
  void Follow(const std::string& verifier);

  // Whether the verifier should send candidates. Call it once, when the sequence is opened. A
  // sequence that is opened in a pause and does not teach needs no candidates. Such a sequence is
  // never drafted for, because the drafter would know nothing of it.
  bool WantsCandidates();

  // What passes cost, as the verifier says when the sequence is opened.
  void Costs(std::vector<PassCost> costs) { costs_ = std::move(costs); }

  // `tokens_allowed`: tokens that may still be emitted, at least 1. `unheard`: what the drafter has
  // not heard of the steps before, if there is anything.
  StepPlan Plan(int max_tree_nodes, std::uint32_t tokens_allowed,
                const std::optional<Observation>& unheard);

  // The step that was planned last could have asked for a draft and did not, because drafting does
  // not pay.
  bool paused() const { return paused_; }

  // What came of the step that was planned last, and what the verifier says now; `costs` is empty
  // where it says nothing.
  void Judge(const StepMeasures& measures, const std::vector<PassCost>& costs,
             const OtherLoad& others);

  // Whether the drafter is told of the last step.
  bool TellsTheLast() { return !resting_ || MayTeach(); }

  // What one more row costs, as a share of a pass; absent where it is not known.
  std::optional<double> row_cost() const;

 private:
  // Whether to teach the drafter in a pause. No other request can teach a matrix that this request
  // has for itself.
  bool MayTeach();

  const DraftWish wish_;
  const bool guarded_;  // the guard has a say: the mode is automatic
  DraftLedger& ledger_;
  std::optional<DraftPlace> place_;  // among requests of this tenant, verifier and matrix scope
  bool learns_ = false;              // the verifier sends candidates
  std::vector<PassCost> costs_;      // as the verifier said last
  OtherLoad others_;                 // the same
  bool paused_ = false;
  bool resting_ = false;  // the last step that could ask was paused
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFT_POLICY_H_
