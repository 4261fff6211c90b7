#include "verifier/pass_runner.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "verifier/acceptance.h"
#include "verifier/top_k.h"

namespace recycling::verifier {

TokenHistory SequenceState::history() const {
  const std::span<const TokenId> all = tokens;
  return {all.first(prompt_size), all.subspan(prompt_size), {}};
}

absl::Status PassRunner::PrefillChunk(SequenceState& state, OpenResult& result) {
  result.base = state.base();
  if (state.prefilled()) return absl::OkStatus();
  const std::uint32_t begin = state.kv->length();
  const std::uint32_t end = state.base() - 1;  // the root is not prefilled
  const std::uint32_t rows =
      std::min(end - begin, static_cast<std::uint32_t>(options_.prefill_chunk));
  const std::span<const int> chain = FirstRows(rows);  // row r follows row r - 1
  parents_.resize(rows);
  std::iota(parents_.begin(), parents_.end(), -1);
  const std::uint32_t learn_from = end - std::min(state.learn_last, end);
  const std::uint32_t unlearnt = std::clamp(learn_from, begin, begin + rows) - begin;
  const Segment segment = {.kv = state.kv.get(),
                           .tokens = std::span(state.tokens).subspan(begin, rows),
                           .parents = parents_,
                           .logit_rows = chain.subspan(unlearnt)};
  RETURN_IF_ERROR(Forward(state, segment, result.timings));
  RETURN_IF_ERROR(transformer_.Commit(0, chain));
  const absl::Duration start = clock_.Monotonic();
  AppendTopK(static_cast<int>(rows - unlearnt), result.prompt_candidates);
  result.timings.sample += clock_.Monotonic() - start;
  return absl::OkStatus();
}

absl::StatusOr<StepResult> PassRunner::Verify(SequenceState& state, VerifyStep step,
                                              StepTimings timings) {
  StepResult result;
  ASSIGN_OR_RETURN(const DraftTree tree, TreeToVerify(state, step, &result.draft_ignored));
  // Which nodes the walk will visit is not known before the pass: all have their logits computed.
  const Segment segment = {.kv = state.kv.get(),
                           .tokens = tree.tokens,
                           .parents = tree.parents,
                           .logit_rows = FirstRows(tree.tokens.size())};
  RETURN_IF_ERROR(Forward(state, segment, timings));
  const absl::Duration start = clock_.Monotonic();
  const auto logits = [this](int node) { return transformer_.logits(node); };
  ASSIGN_OR_RETURN(AcceptedPath accepted,
                   AcceptPath(tree, state.history(), state.rules, logits, scratch_));
  path_.assign(1, 0);
  path_.insert(path_.end(), accepted.nodes.begin(), accepted.nodes.end());
  RETURN_IF_ERROR(transformer_.Commit(0, path_));
  state.tokens.insert(state.tokens.end(), accepted.tokens.begin(), accepted.tokens.end());
  state.ended = accepted.stopped;

  if (state.want_candidates) AppendTopK(tree.size(), result.candidates);
  if (const auto& top = state.rules.options.top_logprobs; top.has_value()) {
    for (std::size_t i = 0; i < path_.size(); ++i) {
      result.logprobs.push_back(LogProbabilities(logits(path_[i]), accepted.tokens[i], *top));
    }
  }
  result.rows = tree.size();
  result.tokens = std::move(accepted.tokens);
  result.accepted_nodes = std::move(accepted.nodes);
  timings.sample += clock_.Monotonic() - start;
  result.timings = timings;
  return result;
}

std::span<const int> PassRunner::FirstRows(std::size_t count) {
  while (rows_.size() < count) rows_.push_back(static_cast<int>(rows_.size()));
  return std::span(rows_).first(count);
}

absl::StatusOr<DraftTree> PassRunner::TreeToVerify(const SequenceState& state, VerifyStep& step,
                                                   bool* draft_ignored) const {
  const std::uint32_t base = state.base();
  if (step.base != base) {
    return absl::FailedPreconditionError(
        absl::StrCat("base: got ", step.base, ", expected ", base, ", the committed tokens"));
  }
  if (state.ended) {
    return absl::FailedPreconditionError(absl::StrCat(
        "verify: got a step after token ", state.tokens.back(), " has ended the output"));
  }
  const std::uint32_t context_length = transformer_.context_length();
  if (base >= context_length) {
    return absl::OutOfRangeError(absl::StrCat("context: got ", base,
                                              " tokens, expected less than the context length, ",
                                              context_length, ", to choose another one"));
  }
  DraftTree plain = DraftTree::Root(base, state.tokens.back());
  if (!step.tree.has_value()) return plain;
  if (step.tree->base != base) {
    *draft_ignored = true;
    return plain;
  }
  RETURN_IF_ERROR(ValidateTree(*step.tree, options_.vocab_size, options_.max_tree_nodes));
  if (step.tree->tokens[0] != plain.tokens[0]) {
    return absl::InvalidArgumentError(absl::StrCat("draft tree: got root ", step.tree->tokens[0],
                                                   ", expected the last committed token, ",
                                                   plain.tokens[0]));
  }
  // A node at depth d emits token number base + d + 1 of the sequence.
  const int drafted = step.tree->drafted();
  const auto max_depth = std::min(context_length - base - 1, static_cast<std::uint32_t>(drafted));
  return CutTree(*std::move(step.tree), drafted, static_cast<int>(max_depth));
}

absl::Status PassRunner::Forward(const SequenceState& state, const Segment& segment,
                                 StepTimings& timings) {
  const absl::Duration start = clock_.Monotonic();
  const absl::Status status = transformer_.Forward({&segment, 1}, &state.cancelled);
  timings.forward += clock_.Monotonic() - start;
  return status;
}

// Appends the candidates of the last pass's first `logit_rows` logit rows.
void PassRunner::AppendTopK(int logit_rows, Candidates& candidates) const {
  if (logit_rows == 0) return;
  candidates.k = options_.k;
  const std::size_t rows = static_cast<std::size_t>(logit_rows);
  const std::size_t before = candidates.ids.size();
  candidates.ids.resize(before + rows * options_.k);
  const auto added = std::span(candidates.ids).subspan(before);
  transformer_.Share(rows, [&](std::size_t row) {
    TopK(transformer_.logits(static_cast<int>(row)), added.subspan(row * options_.k, options_.k));
  });
}

}  // namespace recycling::verifier
