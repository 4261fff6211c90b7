#include "verifier/schedule/pass_runner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "verifier/sampling/acceptance.h"
#include "verifier/sampling/top_k.h"

namespace recycling::verifier {
namespace {

class ConstraintOfPath final : public PathConstraint {
 public:
  explicit ConstraintOfPath(constraint::OutputConstraint& constraint) : constraint_(constraint) {}

  absl::StatusOr<TokenSet> AllowedAfter(std::span<const TokenId> path) override {
    return constraint_.AllowedAfter(path);
  }
  bool Ends(TokenId token) const override { return constraint_.Ends(token); }

 private:
  constraint::OutputConstraint& constraint_;
};

}  // namespace

TokenHistory SequenceState::history() const {
  const std::span<const TokenId> all = tokens;
  return {all.first(prompt_size), all.subspan(prompt_size), {}};
}

void SequenceState::Close() {
  if (kv == nullptr) return;
  kv->Keep(tokens);
  kv.reset();
}

absl::StatusOr<CheckedStep> CheckStep(const SequenceState& state, VerifyStep step,
                                      const SchedulerOptions& options,
                                      std::uint32_t context_length) {
  const std::uint32_t base = state.base();
  if (step.base != base) {
    return absl::FailedPreconditionError(absl::StrCat("base: got ", step.base, ", expected ", base,
                                                      ", the number of committed tokens"));
  }
  if (state.ended) {
    return absl::FailedPreconditionError(absl::StrCat(
        "verify: got a step after token ", state.tokens.back(), " has ended the output"));
  }
  const std::uint32_t max_tokens = std::min(context_length, state.kv->max_positions());
  if (base >= max_tokens) {
    return absl::OutOfRangeError(absl::StrCat("context: got ", base, " tokens, expected less than ",
                                              max_tokens, ", the limit on prompt and output"));
  }
  const TokenId root = state.tokens.back();
  if (!step.tree.has_value()) return CheckedStep{DraftTree::Root(base, root)};
  if (step.tree->base != base) return CheckedStep{DraftTree::Root(base, root), true};
  RETURN_IF_ERROR(ValidateTree(*step.tree, options.vocab_size, options.max_tree_nodes));
  if (step.tree->tokens[0] != root) {
    return absl::InvalidArgumentError(absl::StrCat("draft tree: got root ", step.tree->tokens[0],
                                                   ", expected the last committed token, ", root));
  }
  // A node at depth d gives token number base + d + 1 of the sequence.
  const int drafted = step.tree->drafted();
  const auto max_depth = std::min(max_tokens - base - 1, static_cast<std::uint32_t>(drafted));
  return CheckedStep{CutTree(*std::move(step.tree), drafted, static_cast<int>(max_depth))};
}

absl::Status PassRunner::Forward(std::span<const PassPart> parts,
                                 const std::atomic<bool>* cancelled) {
  std::size_t longest = 0;
  for (const PassPart& part : parts) {
    const int rows = part.tree != nullptr ? part.tree->size() : part.chunk_rows;
    longest = std::max(longest, static_cast<std::size_t>(rows));
  }
  while (rows_.size() < longest) {
    parents_.push_back(static_cast<std::int32_t>(rows_.size()) - 1);  // row r follows row r - 1
    rows_.push_back(static_cast<int>(rows_.size()));
  }
  placed_.clear();
  segments_.clear();
  int logits = 0;
  for (const PassPart& part : parts) {
    const SequenceState& state = *part.state;
    Segment segment = {.kv = state.kv.get()};
    if (part.tree != nullptr) {
      segment.tokens = part.tree->tokens;
      segment.parents = part.tree->parents;
      // Any node may be accepted, so the pass computes the logits of all nodes.
      segment.logit_rows = std::span(rows_).first(segment.tokens.size());
    } else {
      const std::uint32_t begin = state.kv->length();
      const std::uint32_t end = state.base() - 1;
      const auto rows = static_cast<std::uint32_t>(part.chunk_rows);
      const std::uint32_t learn_from = end - std::min(state.learn_last, end);
      const std::uint32_t unlearnt = std::clamp(learn_from, begin, begin + rows) - begin;
      segment.tokens = std::span(state.tokens).subspan(begin, rows);
      segment.parents = std::span(parents_).first(rows);
      segment.logit_rows = std::span(rows_).first(rows).subspan(unlearnt);
    }
    const int own = static_cast<int>(segment.logit_rows.size());
    placed_.push_back({part, logits, own});
    segments_.push_back(segment);
    logits += own;
  }
  return transformer_.Forward(segments_, cancelled);
}

void PassRunner::ForEachPart(absl::FunctionRef<void(std::size_t part)> run) {
  if (placed_.size() == 1) return run(0);
  transformer_.Share(placed_.size(), run);
}

absl::Status PassRunner::FinishChunk(std::size_t part, OpenResult& result) {
  const Placed& placed = placed_[part];
  RETURN_IF_ERROR(
      Commit(part, std::span(rows_).first(static_cast<std::size_t>(placed.part.chunk_rows))));
  AppendTopK(placed, result.prompt_candidates);
  placed.part.state->kv->Keep(placed.part.state->tokens);
  return absl::OkStatus();
}

absl::StatusOr<StepResult> PassRunner::FinishStep(std::size_t part) {
  const Placed& placed = placed_[part];
  const DraftTree& tree = *placed.part.tree;
  SequenceState& state = *placed.part.state;
  std::unique_ptr<Scratch> scratch = TakeScratch();
  const auto give_back = absl::MakeCleanup([&] { GiveScratch(std::move(scratch)); });
  const auto logits = [&](int node) { return transformer_.logits(placed.first_logit + node); };
  std::optional<ConstraintOfPath> constraint;
  if (state.constraint != nullptr) constraint.emplace(*state.constraint);
  ASSIGN_OR_RETURN(AcceptedPath accepted,
                   AcceptPath(tree, state.history(), state.rules, logits, scratch->sampler,
                              constraint.has_value() ? &*constraint : nullptr));
  constraint::StateId constrained = constraint::kDead;
  if (constraint.has_value()) {
    ASSIGN_OR_RETURN(constrained, state.constraint->StateAfter(accepted.tokens));
  }
  std::vector<int>& path = scratch->path;
  path.assign(1, 0);
  path.insert(path.end(), accepted.nodes.begin(), accepted.nodes.end());
  RETURN_IF_ERROR(Commit(part, path));
  if (constraint.has_value()) state.constraint->Commit(constrained);
  state.tokens.insert(state.tokens.end(), accepted.tokens.begin(), accepted.tokens.end());
  state.ended = accepted.stopped;

  StepResult result;
  if (state.want_candidates) AppendTopK(placed, result.candidates);
  if (const auto& top = state.rules.options.top_logprobs; top.has_value()) {
    for (std::size_t i = 0; i < path.size(); ++i) {
      result.logprobs.push_back(LogProbabilities(logits(path[i]), accepted.tokens[i], *top));
    }
  }
  result.rows = tree.size();
  result.tokens = std::move(accepted.tokens);
  result.accepted_nodes = std::move(accepted.nodes);
  return result;
}

std::unique_ptr<PassRunner::Scratch> PassRunner::TakeScratch() {
  MutexLock lock(mu_);
  if (scratch_.empty()) return std::make_unique<Scratch>();
  std::unique_ptr<Scratch> scratch = std::move(scratch_.back());
  scratch_.pop_back();
  return scratch;
}

void PassRunner::GiveScratch(std::unique_ptr<Scratch> scratch) {
  MutexLock lock(mu_);
  scratch_.push_back(std::move(scratch));
}

absl::Status PassRunner::Commit(std::size_t part, std::span<const int> path) {
  MutexLock lock(commit_mu_);
  return transformer_.Commit(static_cast<int>(part), path);
}

// If the pass has a single part, its rows are shared between the threads. If not, each thread has
// its own part already.
void PassRunner::AppendTopK(const Placed& placed, Candidates& candidates) const {
  if (placed.logits == 0) return;
  candidates.k = options_.k;
  const auto rows = static_cast<std::size_t>(placed.logits);
  const std::size_t before = candidates.ids.size();
  candidates.ids.resize(before + rows * options_.k);
  const auto added = std::span(candidates.ids).subspan(before);
  const auto take = [&](std::size_t row) {
    TopK(transformer_.logits(placed.first_logit + static_cast<int>(row)),
         added.subspan(row * options_.k, options_.k));
  };
  if (placed_.size() == 1) return transformer_.Share(rows, take);
  for (std::size_t row = 0; row < rows; ++row) take(row);
}

}  // namespace recycling::verifier
