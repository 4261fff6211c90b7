#include "drafter/tree/sequence_drafter.h"

#include <algorithm>
#include <utility>

namespace recycling::drafter {
namespace {

// LearnTrials counts the trials of at most this many nodes of a path, because no tree is deeper.
constexpr std::size_t kMaxCountedNodes = kMaxAdaptiveDepth + 1;

TokenId TokenAt(const Observation& observation, std::size_t i) {
  return observation.tokens[observation.accepted_path[i]];
}

}  // namespace

SequenceDrafter::SequenceDrafter(CandidateSources sources, std::unique_ptr<Estimator> estimator,
                                 std::vector<TokenId> committed)
    : sources_(std::move(sources)),
      estimator_(std::move(estimator)),
      committed_(std::move(committed)) {}

void SequenceDrafter::Learn(const StepNews& news) {
  const bool observed = news.observation != nullptr && !news.observation->accepted_path.empty();
  if (std::exchange(first_, false)) {
    if (observed) TakeBackStep(news);
    Teach({.committed = committed_.tokens(), .fresh = committed_.tokens().size()});
  }
  if (news.prompt != nullptr) Teach({.rows = news.prompt});
  if (observed) {
    LearnStep(news);
  } else {
    if (news.observation != nullptr) Teach({.rows = news.observation});
    if (news.next.has_value()) LearnRoot(*news.next);
  }
  if (news.next.has_value()) committed_.set_base(news.next->base);
  if (observed || news.next.has_value()) last_step_ = news.step;
  committed_.Trim();
  estimator_->Publish();
}

DraftTree SequenceDrafter::Propose(const StepCosts& costs, int max_nodes, int max_depth,
                                   double other_tokens) {
  estimator_->Prepare();
  return builder_.Build(sources_, *estimator_, committed_.tokens(), costs, max_nodes, max_depth,
                        other_tokens);
}

void SequenceDrafter::TakeBackStep(const StepNews& news) {
  const std::size_t path = news.observation->accepted_path.size();
  if (committed_.tokens().size() <= path) return;
  const std::span<const TokenId> step = committed_.tokens().last(path + 1);
  for (std::size_t i = 0; i < path; ++i) {
    if (step[i] != TokenAt(*news.observation, i)) return;
  }
  if (news.next.has_value() && step.back() != news.next->root) return;
  committed_.DropLast(path);
}

void SequenceDrafter::LearnStep(const StepNews& news) {
  const Observation& observation = *news.observation;
  const TokenId root = observation.tokens[0];
  if (!Follows(news)) {
    Restart(root);
  } else if (awaits_token_) {
    Settle(root);
  }
  const std::optional<TokenId> bonus =
      news.next.has_value() ? std::optional(news.next->root) : std::nullopt;
  // Count the trials before the sources learn the step. After that, the sources would already know
  // which tokens the model chose.
  LearnTrials(observation, bonus);
  const std::size_t path = observation.accepted_path.size();
  for (std::size_t i = 1; i < path; ++i) committed_.Append(TokenAt(observation, i));
  if (bonus.has_value()) committed_.Append(*bonus);
  awaits_token_ = !bonus.has_value();
  const std::size_t fresh = path - (awaits_token_ ? 1 : 0);
  Teach({.rows = &observation,
         .committed = committed_.tokens(),
         .fresh = fresh,
         .root = committed_.tokens().size() - 1 - fresh});
}

bool SequenceDrafter::Follows(const StepNews& news) const {
  const Observation& observation = *news.observation;
  if (!awaits_token_ && !committed_.EndsWith(observation.tokens[0])) return false;
  const std::size_t path = observation.accepted_path.size();
  if (news.next.has_value() && committed_.base().has_value()) {
    // The root of the next step comes path.size() tokens after the root of this step.
    return *committed_.base() + (awaits_token_ ? 1 : 0) + path == news.next->base;
  }
  if (!awaits_token_) return true;
  // A step has the number of the previous step plus 1. One message may hold several steps without
  // drafts, as a chain with one row for each step. Then it has the number of the last of them.
  const std::size_t rows = observation.tokens.size();
  return news.step == last_step_ + 1 || (path == rows && news.step == last_step_ + rows);
}

void SequenceDrafter::LearnRoot(const NextRoot& next) {
  const std::optional<std::uint64_t> base = committed_.base();
  if (awaits_token_ && base.has_value() && *base + 1 == next.base) {
    Settle(next.root);
  } else if (awaits_token_ || !committed_.EndsWith(next.root) ||
             base.value_or(next.base) != next.base) {
    Restart(next.root);
  }
}

void SequenceDrafter::Restart(TokenId token) {
  committed_.Restart(token);
  awaits_token_ = false;
  open_.reset();
  Teach({.committed = committed_.tokens(), .fresh = 1});
}

void SequenceDrafter::Settle(TokenId chosen) {
  if (open_.has_value()) estimator_->Learn(open_->depth, open_->candidates, chosen);
  open_.reset();
  awaits_token_ = false;
  committed_.Append(chosen);
  Teach({.committed = committed_.tokens(), .fresh = 1});
}

void SequenceDrafter::LearnTrials(const Observation& observation, std::optional<TokenId> bonus) {
  const std::size_t path = observation.accepted_path.size();
  accepted_.clear();
  for (std::size_t i = 0; i < path; ++i) accepted_.push_back(TokenAt(observation, i));
  const std::span<const TokenId> known = committed_.tokens();
  for (std::size_t i = 0; i < std::min(path, kMaxCountedNodes); ++i) {
    const int depth = static_cast<int>(i) + 1;
    const std::span<const Candidate> candidates = finder_.Find(
        sources_,
        {.committed = known.first(known.size() - 1), .drafted = std::span(accepted_).first(i + 1)});
    if (i + 1 < path) {
      estimator_->Learn(depth, candidates, accepted_[i + 1]);
    } else if (bonus.has_value()) {
      estimator_->Learn(depth, candidates, *bonus);
    } else {
      open_ = OpenNode{.depth = depth, .candidates = {candidates.begin(), candidates.end()}};
    }
  }
}

void SequenceDrafter::Teach(const ObservedStep& step) {
  for (const auto& source : sources_) source->Observe(step);
}

}  // namespace recycling::drafter
