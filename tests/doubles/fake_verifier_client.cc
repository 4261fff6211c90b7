#include "tests/doubles/fake_verifier_client.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"

namespace recycling::doubles {
namespace {

using gateway::OpenSequence;
using gateway::SequenceOpened;
using gateway::StepVerified;
using gateway::VerifyStep;

class FakeVerifierSession final : public gateway::VerifierSession {
 public:
  FakeVerifierSession(std::shared_ptr<const FakeVerifierOptions> options,
                      std::shared_ptr<std::atomic<int>> open_sequences, absl::Time deadline)
      : options_(std::move(options)),
        open_sequences_(std::move(open_sequences)),
        deadline_(deadline) {
    Note("verifier.session");
  }

  ~FakeVerifierSession() override {
    if (has_slot_) --*open_sequences_;
    Note("verifier.close");
  }

  absl::StatusOr<SequenceOpened> Open(const OpenSequence& open) override;
  absl::StatusOr<StepVerified> VerifyWhile(const VerifyStep& step,
                                           absl::FunctionRef<void()> meanwhile) override;

  void Cancel() override {
    Note("verifier.cancel");
    MutexLock lock(mu_);
    cancelled_ = true;
    cancelled_changed_.NotifyAll();
  }

 private:
  const ToyModel& model() const { return *options_->model; }

  void Note(const std::string& call) const {
    if (options_->trace != nullptr) options_->trace->Add(call);
    if (options_->on_call != nullptr) options_->on_call(call);
  }

  absl::Status CheckNotCancelled() {
    MutexLock lock(mu_);
    return cancelled_ ? absl::CancelledError("fake verifier: cancelled") : absl::OkStatus();
  }

  absl::Status Silence() {
    if (deadline_ != absl::InfiniteFuture()) {
      return absl::DeadlineExceededError(kSilence);
    }
    MutexLock lock(mu_);
    while (!cancelled_) cancelled_changed_.Wait(mu_);
    return absl::CancelledError("fake verifier: cancelled");
  }

  absl::Status CheckOpen(const OpenSequence& open) const;
  // The tree to walk: the step's tree, or only the root. InvalidArgument if the tree is malformed.
  absl::StatusOr<DraftTree> TreeOf(const VerifyStep& step) const;
  void Walk(const DraftTree& tree, StepVerified& verified);
  void AddCandidates(TokenId token, std::uint32_t position, Candidates& candidates) const;
  TokenLogprob Logprob(TokenId token, std::uint32_t position, TokenId chosen) const;

  const std::shared_ptr<const FakeVerifierOptions> options_;
  const std::shared_ptr<std::atomic<int>> open_sequences_;
  const absl::Time deadline_;

  std::vector<TokenId> path_;  // committed tokens; empty before Open
  std::uint32_t generated_ = 0;
  SamplingOptions sampling_;
  bool want_candidates_ = false;
  bool has_slot_ = false;

  Mutex mu_;
  CondVar cancelled_changed_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

absl::Status FakeVerifierSession::CheckOpen(const OpenSequence& open) const {
  if (!path_.empty()) return absl::FailedPreconditionError("open: got a second one, expected one");
  if (open.prompt_ids.empty()) {
    return absl::InvalidArgumentError("prompt_ids: got none, expected at least 1");
  }
  const std::size_t tokens = open.prompt_ids.size() + open.generated_ids.size();
  if (tokens > options_->context_length) {
    return absl::InvalidArgumentError(absl::StrCat("prompt_ids and generated_ids: got ", tokens,
                                                   " tokens, expected at most ",
                                                   options_->context_length));
  }
  for (const auto* ids : {&open.prompt_ids, &open.generated_ids}) {
    for (const TokenId id : *ids) {
      if (id < model().vocab_size()) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("token id: got ", id, ", expected less than ", model().vocab_size()));
    }
  }
  if (open.sampling.temperature > 0 && !open.sampling.seed.has_value()) {
    return absl::InvalidArgumentError("seed: got none, expected one where temperature is above 0");
  }
  return ValidateSamplingOptions(open.sampling, model().vocab_size());
}

absl::StatusOr<SequenceOpened> FakeVerifierSession::Open(const OpenSequence& open) {
  Note("verifier.open");
  if (options_->on_open != nullptr) options_->on_open(open);
  RETURN_IF_ERROR(CheckNotCancelled());
  RETURN_IF_ERROR(options_->open_error);
  RETURN_IF_ERROR(CheckOpen(open));
  if (++*open_sequences_ > static_cast<int>(options_->max_sequences)) {
    --*open_sequences_;
    return absl::ResourceExhaustedError(
        absl::StrCat("sequences: got one more, expected at most ", options_->max_sequences));
  }
  has_slot_ = true;
  path_ = open.prompt_ids;
  path_.insert(path_.end(), open.generated_ids.begin(), open.generated_ids.end());
  generated_ = static_cast<std::uint32_t>(open.generated_ids.size());
  sampling_ = open.sampling;
  want_candidates_ = open.want_candidates;

  SequenceOpened opened;
  opened.pass_costs = options_->pass_costs;
  opened.base = static_cast<std::uint32_t>(path_.size());
  const std::uint32_t rows = std::min(open.learn_last, opened.base - 1);
  for (std::uint32_t position = opened.base - 1 - rows; position < opened.base - 1; ++position) {
    AddCandidates(path_[position], position, opened.prompt_candidates);
  }
  return opened;
}

absl::StatusOr<DraftTree> FakeVerifierSession::TreeOf(const VerifyStep& step) const {
  if (!step.tree.has_value() || step.tree->base != step.base) {
    return DraftTree::Root(step.base, path_.back());
  }
  RETURN_IF_ERROR(ValidateTree(*step.tree, model().vocab_size(), options_->max_tree_nodes));
  if (step.tree->tokens[0] != path_.back()) {
    return absl::InvalidArgumentError(
        absl::StrCat("draft tree: got root ", step.tree->tokens[0], ", expected ", path_.back()));
  }
  return *step.tree;
}

absl::StatusOr<StepVerified> FakeVerifierSession::VerifyWhile(const VerifyStep& step,
                                                              absl::FunctionRef<void()> meanwhile) {
  Note(absl::StrCat("verifier.verify ", step.step));
  meanwhile();
  if (options_->on_answer != nullptr) options_->on_answer(step.step);
  RETURN_IF_ERROR(CheckNotCancelled());
  if (path_.empty()) return absl::FailedPreconditionError("verify: got it before open");
  const VerifierFault fault =
      options_->fault == nullptr ? VerifierFault::kNone : options_->fault(step.step);
  if (fault == VerifierFault::kError) return options_->error;
  if (fault == VerifierFault::kSilent) return Silence();
  if (fault == VerifierFault::kDropped) return absl::UnavailableError(kStreamDropped);
  if (step.base != path_.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("base: got ", step.base, ", expected ", path_.size()));
  }
  if (path_.size() >= options_->context_length) {
    return absl::FailedPreconditionError(
        absl::StrCat("context: got ", path_.size(), " tokens, none left of ", path_.size()));
  }

  StepVerified verified;
  verified.inside = options_->inside;
  verified.forward = options_->forward;
  verified.pass_costs = options_->pass_costs;
  verified.step = step.step + (fault == VerifierFault::kWrongStep ? 1 : 0);
  verified.base = step.base;
  verified.draft_ignored = step.tree.has_value() && step.tree->base != step.base;
  verified.others = options_->others;
  ASSIGN_OR_RETURN(DraftTree tree, TreeOf(step));
  if (options_->most_verified.has_value()) {
    const int depth = tree.size();
    tree = CutTree(std::move(tree), *options_->most_verified, depth);
    verified.verified_nodes = tree.drafted();
  }
  Walk(tree, verified);
  if (fault == VerifierFault::kNoTokens) verified.tokens.clear();
  if (fault == VerifierFault::kUnknownToken) verified.tokens.back() = model().vocab_size();
  return verified;
}

void FakeVerifierSession::Walk(const DraftTree& tree, StepVerified& verified) {
  const std::uint32_t root_position = tree.base - 1;
  const std::vector<int> depths = NodeDepths(tree);
  if (want_candidates_) {
    for (std::size_t i = 0; i < tree.tokens.size(); ++i) {
      AddCandidates(tree.tokens[i], root_position + static_cast<std::uint32_t>(depths[i]),
                    verified.candidates);
    }
  }
  int node = 0;
  while (node >= 0) {
    const TokenId token = tree.tokens[static_cast<std::size_t>(node)];
    const auto position = static_cast<std::uint32_t>(path_.size()) - 1;
    const TokenId chosen = model().Choose(token, position, sampling_, generated_);
    if (sampling_.top_logprobs.has_value()) {
      verified.logprobs.push_back(Logprob(token, position, chosen));
    }
    verified.tokens.push_back(chosen);
    path_.push_back(chosen);
    ++generated_;
    if (model().EndsSequence(chosen, sampling_) || path_.size() >= options_->context_length) return;

    int child = -1;
    for (int i = node + 1; i < tree.size() && child < 0; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (tree.parents[at] == node && tree.tokens[at] == chosen) child = i;
    }
    if (child >= 0) verified.accepted_nodes.push_back(child);
    node = child;
  }
}

void FakeVerifierSession::AddCandidates(TokenId token, std::uint32_t position,
                                        Candidates& candidates) const {
  candidates.k = options_->k;
  const std::vector<TokenId> top = model().TopK(token, position, options_->k);
  candidates.ids.insert(candidates.ids.end(), top.begin(), top.end());
}

TokenLogprob FakeVerifierSession::Logprob(TokenId token, std::uint32_t position,
                                          TokenId chosen) const {
  const std::vector<float> logits = model().Logits(token, position);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  const auto logprob = [&](TokenId id) {
    return static_cast<float>(static_cast<double>(logits[id]) - std::log(sum));
  };
  TokenLogprob result{.token = chosen, .logprob = logprob(chosen), .top = {}};
  for (const TokenId id : model().TopK(token, position, *sampling_.top_logprobs)) {
    result.top.emplace_back(id, logprob(id));
  }
  return result;
}

}  // namespace

FakeVerifierClient::FakeVerifierClient(FakeVerifierOptions options)
    : options_(std::make_shared<const FakeVerifierOptions>(std::move(options))) {
  info_.model = options_->model->Identity();
  info_.context_length = options_->context_length;
  info_.k = options_->k;
  info_.max_tree_nodes = options_->max_tree_nodes;
  info_.max_sequences = options_->max_sequences;
  info_.page_tokens = options_->page_tokens;
  info_.numerics_id = options_->numerics_id;
  info_.pass_costs = options_->pass_costs;
  info_.build = "fake";
  info_.kernel = "toy";
  info_.model_description = "toy language";
  info_.eos_token_ids = options_->model->EndOfSequenceIds();
}

std::unique_ptr<gateway::VerifierSession> FakeVerifierClient::NewSession(absl::Time deadline,
                                                                         const CallOrigin&) {
  return std::make_unique<FakeVerifierSession>(options_, open_sequences_, deadline);
}

}  // namespace recycling::doubles
