#include "gateway/clients/verifier_answers.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling::gateway {
namespace {

// The error for an answer whose field `what` has the value `got` instead of `expected`.
template <typename Got, typename Expected>
absl::Status Breach(const char* what, Got got, Expected expected) {
  return absl::InternalError(
      absl::StrCat("verifier's answer: ", what, ": got ", got, ", expected ", expected));
}

// The number of rows that were verified. The caller must check that it is at least 1 and at most
// the number of rows in the tree.
int VerifiedRows(const VerifyStep& asked, const StepVerified& verified) {
  if (!asked.tree.has_value() || verified.draft_ignored) return 1;
  return 1 + verified.verified_nodes.value_or(asked.tree->drafted());
}

absl::Status CheckPath(const VerifyStep& asked, const StepVerified& verified, int rows) {
  const std::size_t accepted = verified.accepted_nodes.size();
  if (accepted + 1 != verified.tokens.size()) {
    return Breach("accepted nodes", accepted, verified.tokens.size() - 1);
  }
  const bool drafted = asked.tree.has_value() && !verified.draft_ignored;
  if (!drafted && accepted > 0) return Breach("accepted nodes without a draft", accepted, 0);
  int at = 0;
  for (std::size_t i = 0; i < accepted; ++i) {
    const int node = verified.accepted_nodes[i];
    if (node <= at || node >= rows || asked.tree->parents[static_cast<std::size_t>(node)] != at) {
      return Breach("accepted node", node, absl::StrCat("a child of node ", at));
    }
    const TokenId token = asked.tree->tokens[static_cast<std::size_t>(node)];
    if (verified.tokens[i] != token) {
      return Breach("token of an accepted node", verified.tokens[i], token);
    }
    at = node;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckOpened(const OpenSequence& open, const SequenceOpened& opened) {
  const std::size_t committed = open.prompt_ids.size() + open.generated_ids.size();
  if (opened.base != committed) return Breach("base", opened.base, committed);
  if (opened.cached_tokens >= committed) {
    return Breach("cached tokens", opened.cached_tokens, absl::StrCat("less than ", committed));
  }
  const Candidates& candidates = opened.prompt_candidates;
  if (candidates.ids.empty()) return absl::OkStatus();
  if (candidates.k == 0 || candidates.ids.size() % candidates.k != 0) {
    return Breach("prompt candidates", candidates.ids.size(),
                  absl::StrCat("whole rows of ", candidates.k));
  }
  const std::size_t rows = candidates.ids.size() / candidates.k;
  if (rows > committed - 1 || rows > open.learn_last) {
    return Breach("rows of prompt candidates", rows,
                  absl::StrCat("at most ", std::min<std::size_t>(committed - 1, open.learn_last)));
  }
  return absl::OkStatus();
}

absl::Status CheckVerified(const VerifyStep& asked, const StepVerified& verified,
                           std::uint32_t vocab_size, bool want_logprobs) {
  if (verified.step != asked.step) return Breach("step", verified.step, asked.step);
  if (verified.base != asked.base) return Breach("base", verified.base, asked.base);
  if (verified.tokens.empty()) return Breach("tokens", 0, "at least one");
  for (const TokenId token : verified.tokens) {
    if (token >= vocab_size) return Breach("token", token, absl::StrCat("less than ", vocab_size));
  }
  const int verified_rows = VerifiedRows(asked, verified);
  if (verified_rows < 1 || (asked.tree.has_value() && verified_rows > asked.tree->size())) {
    return Breach("verified nodes", verified_rows - 1,
                  absl::StrCat("0 to ", asked.tree.has_value() ? asked.tree->drafted() : 0));
  }
  RETURN_IF_ERROR(CheckPath(asked, verified, verified_rows));
  const Candidates& candidates = verified.candidates;
  const auto rows = static_cast<std::size_t>(verified_rows);
  if (!candidates.ids.empty() && candidates.ids.size() != rows * candidates.k) {
    return Breach("candidates", candidates.ids.size(),
                  absl::StrCat(rows, " rows of ", candidates.k));
  }
  const std::size_t logprobs = verified.logprobs.size();
  if (logprobs != verified.tokens.size() && (want_logprobs || logprobs != 0)) {
    return Breach("log-probabilities", logprobs, verified.tokens.size());
  }
  for (std::size_t i = 0; i < logprobs; ++i) {
    if (verified.logprobs[i].token != verified.tokens[i]) {
      return Breach("token of a log-probability", verified.logprobs[i].token, verified.tokens[i]);
    }
  }
  return absl::OkStatus();
}

}  // namespace recycling::gateway
