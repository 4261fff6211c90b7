// Decides when one request drafts, and how large its drafts may be. The policy remembers the pass
// costs that the verifier sent, asks the guard that all requests of its kind share
// (draft_ledger.h), and applies the rules of drafting_rules.h. The decode loop calls Plan before
// each step and Judge after it.
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

// The options of a request that concern drafting.
struct DraftWish {
  Speculation mode = Speculation::kAuto;
  int node_budget = 0;         // at most this many drafted nodes in a step
  bool learns_prompt = false;  // the drafter learns from the candidates of the prompt
  MatrixScope scope = MatrixScope::kTenant;
  std::string tenant;
};

// The plan for the next step.
struct StepPlan {
  bool ask = false;              // ask for a draft
  TreeLimits limits;             // limits of that draft
  std::vector<StepCost> prices;  // cost of a step by its number of nodes; empty: send no costs
  double other_tokens = 0;       // tokens that other sequences get during a step
  Telling telling = Telling::kNow;
};

// Call order: Follow WantsCandidates Costs? (Plan Judge)* TellsTheLast. Call Follow again whenever
// the sequence has moved to another verifier. Threads: one.
class DraftPolicy {
 public:
  // `ledger` must outlive this.
  DraftPolicy(DraftWish wish, DraftLedger& ledger);

  // Reports that the sequence is now at the verifier with this address. Forgets the costs and the
  // load of the previous verifier.
  void Follow(const std::string& verifier);

  // Returns whether the verifier should send candidates. Call it once, when the sequence is opened.
  // A sequence that is opened in a pause and does not teach the drafter needs no candidates. Such a
  // sequence never asks for drafts, because the drafter gets no observations of it.
  bool WantsCandidates();

  // Sets the pass costs that the verifier sent when it opened the sequence.
  void Costs(std::vector<PassCost> costs) { costs_ = std::move(costs); }

  // Plans the next step. `tokens_allowed`: how many tokens may still be emitted, at least 1.
  // `unheard`: the observation of earlier steps that was not yet sent to the drafter, if there is
  // one.
  StepPlan Plan(int max_tree_nodes, std::uint32_t tokens_allowed,
                const std::optional<Observation>& unheard);

  // True if the last planned step could have asked for a draft, and did not because the guard had
  // paused drafting.
  bool paused() const { return paused_; }

  // Reports the measurements of the last planned step, and the costs and the load that the verifier
  // sent with its answer. `costs` is empty if it sent none.
  void Judge(const StepMeasures& measures, const std::vector<PassCost>& costs,
             const OtherLoad& others);

  // Returns whether the loop should send the drafter the observation of the last step of the
  // request.
  bool TellsTheLast() { return !resting_ || MayTeach(); }

  // The cost of one more row, as a fraction of a pass. Absent if it is not known.
  std::optional<double> row_cost() const;

  // An estimate of the duration of a step without a draft, as the sequence runs now: the cost of
  // its pass, and the mean time that its kind's steps take outside of the verifier. Absent if it is
  // not known.
  std::optional<absl::Duration> plain_step() const;

 private:
  // Returns whether this request teaches the drafter in a pause. Always true for the request scope,
  // because no other request can teach that matrix.
  bool MayTeach();

  const DraftWish wish_;
  const bool guarded_;  // the mode is kAuto, so the guard decides
  DraftLedger& ledger_;
  std::optional<DraftPlace> place_;  // in the kind of this tenant, verifier and matrix scope
  bool learns_ = false;              // the policy has asked the verifier for candidates
  std::vector<PassCost> costs_;      // from the last message of the verifier that had them
  OtherLoad others_;                 // from the last message of the verifier
  bool paused_ = false;
  bool resting_ = false;  // the last step that could ask for a draft was paused
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFT_POLICY_H_
