#include "drafter/sources/sequence_history.h"

#include <algorithm>

namespace recycling::drafter {
namespace {

// Nodes of a path whose trials are counted: as deep as a tree may be.
constexpr std::size_t kMaxCountedNodes = 33;

}  // namespace

std::size_t SequenceHistory::CandidatesOf(const AdjacencyMatrix& matrix, TokenId token,
                                          std::span<Candidate, kMaxCandidates> out) const {
  std::array<TokenId, kMaxK> row;
  std::size_t size = matrix.ReadRow(token, row);
  const bool cold = size == 0;
  if (cold) {
    size = last_row_.size();
    std::copy(last_row_.begin(), last_row_.end(), row.begin());
  }
  const auto found = follows_.find(token);
  const bool seen = found != follows_.end();
  const Follow follow = seen ? found->second : Follow{};
  const Evidence followed = follow.times == 1   ? Evidence::kFollowedOnce
                            : follow.times == 2 ? Evidence::kFollowedTwice
                                                : Evidence::kFollowedOften;
  const Evidence other = cold                ? Evidence::kCold
                         : !seen             ? Evidence::kUnseen
                         : follow.times == 1 ? Evidence::kOtherOnce
                                             : Evidence::kOtherOften;
  bool among = false;
  for (std::uint32_t rank = 0; rank < size; ++rank) {
    const bool is_follow = seen && row[rank] == follow.token;
    among = among || is_follow;
    out[rank] = {.token = row[rank],
                 .rank = rank,
                 .source = cold ? DraftSource::kRecent : DraftSource::kMatrix,
                 .candidate_class = ClassOf(is_follow ? followed : other, rank)};
  }
  if (seen && !among) {
    const auto rank = static_cast<std::uint32_t>(size);
    out[size++] = {.token = follow.token,
                   .rank = rank,
                   .source = DraftSource::kSequence,
                   .candidate_class = ClassOf(followed, std::max(rank, 1u))};
  }
  return size;
}

void SequenceHistory::Observe(const Observation& observation, std::optional<TokenId> bonus,
                              AdjacencyMatrix* matrix) {
  const std::vector<std::uint32_t>& path = observation.accepted_path;
  open_.reset();
  if (path.empty()) return;
  const auto token_at = [&](std::size_t i) { return observation.tokens[path[i]]; };

  // All trials are of what was known when the tree was proposed: count first, remember then.
  OpenNode node;
  for (std::size_t i = 0; i < std::min(path.size(), kMaxCountedNodes); ++i) {
    const bool last = i + 1 == path.size();
    node.token = token_at(i);
    node.depth = static_cast<int>(i) + 1;
    node.size = CandidatesOf(*matrix, node.token, node.candidates);
    if (!last || bonus.has_value()) {
      Count(std::span(node.candidates).first(node.size), node.depth,
            last ? *bonus : token_at(i + 1));
    } else {
      open_ = node;
    }
  }
  for (std::size_t i = 1; i < path.size(); ++i) Record(token_at(i - 1), token_at(i));
  if (bonus.has_value()) Record(token_at(path.size() - 1), *bonus);
  const auto row = observation.candidates.ids.begin() +
                   static_cast<std::ptrdiff_t>(path.back() * observation.candidates.k);
  last_row_.assign(row, row + observation.candidates.k);
  Flush(matrix);
}

void SequenceHistory::ObserveBonus(TokenId bonus, AdjacencyMatrix* matrix) {
  if (!open_.has_value()) return;
  Count(std::span(open_->candidates).first(open_->size), open_->depth, bonus);
  Record(open_->token, bonus);
  open_.reset();
  Flush(matrix);
}

void SequenceHistory::ObservePrompt(std::span<const TokenId> tokens) {
  for (std::size_t i = 1; i < tokens.size(); ++i) Record(tokens[i - 1], tokens[i]);
}

void SequenceHistory::Record(TokenId token, TokenId next) {
  Follow& follow = follows_[token];
  follow.times = follow.times > 0 && follow.token == next ? std::min(follow.times + 1, 3u) : 1;
  follow.token = next;
}

void SequenceHistory::Count(std::span<const Candidate> candidates, int depth, TokenId chosen) {
  for (const Candidate& candidate : candidates) {
    const bool hit = candidate.token == chosen;
    trials_.push_back({.depth_bucket = static_cast<std::uint8_t>(DepthBucket(depth)),
                       .candidate_class = candidate.candidate_class,
                       .hit = hit});
    AddTrial(hit, &counts_[candidate.candidate_class]);
  }
}

void SequenceHistory::Flush(AdjacencyMatrix* matrix) {
  matrix->acceptance().Add(trials_);
  trials_.clear();
}

}  // namespace recycling::drafter
