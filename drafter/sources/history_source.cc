#include "drafter/sources/history_source.h"

#include <algorithm>
#include <utility>

namespace recycling::drafter {
namespace {

// How often the follower of a match of each length was right, over real answers of a chat model.
constexpr std::array<double, kMatchLengths> kFollowedPrior = {0.24, 0.48, 0.61, 0.66, 0.71,
                                                              0.78, 0.84, 0.91, 0.96};
constexpr double kOtherPrior = 0.01;
constexpr double kShorterPrior = 0.1;

}  // namespace

double HistorySource::Prior(std::uint8_t token_class) const {
  if (token_class < FollowedClass(1, false)) return kOtherPrior;
  if (token_class >= ShorterFollowedClass(1)) return kShorterPrior;
  return kFollowedPrior[static_cast<std::size_t>(token_class - FollowedClass(1, false)) / 2];
}

// Each key is the tokens and their number in one hash. Equal keys of different tokens are so rare
// that they do not matter.
std::uint64_t HistorySource::KeyOf(const DraftPath& path, std::size_t order) {
  std::uint64_t key = order;
  for (std::size_t i = 0; i < order; ++i) {
    key = (key + 1 + *path.Before(i)) * 0x9e3779b97f4a7c15u;
    key ^= key >> 29;
  }
  return key;
}

const HistorySource::Follower* HistorySource::Find(const DraftPath& path, std::size_t order) const {
  if (!path.Before(order - 1).has_value()) return nullptr;
  const auto& followers = followers_[order - 1];
  const auto found = followers.find(KeyOf(path, order));
  return found == followers.end() ? nullptr : &found->second;
}

HistorySource::Match HistorySource::Look(const DraftPath& path) const {
  for (std::size_t order = kOrders; order > 0; --order) {
    if (const Follower* const follower = Find(path, order); follower != nullptr) {
      return {.next = follower->position, .length = order};
    }
  }
  return {};
}

HistorySource::Match HistorySource::MatchOf(const DraftPath& path) const {
  Match match = match_;
  for (std::size_t i = 1; i < path.drafted.size(); ++i) {
    const TokenId token = path.drafted[i];
    if (match.length > 0 && match.next < tokens_.size() && tokens_[match.next] == token) {
      match = {.next = match.next + 1, .length = std::min(match.length + 1, kLongestMatch)};
    } else {
      match = Look({.committed = path.committed, .drafted = path.drafted.first(i + 1)});
    }
  }
  return match;
}

void HistorySource::Candidates(const DraftPath& path, SourceAnswer* answer) const {
  answer->other_class = kNoMatchClass;
  std::array<const Follower*, kOrders> found = {};
  std::size_t orders = 0;
  while (orders < kOrders && (found[orders] = Find(path, orders + 1)) != nullptr) ++orders;
  if (orders == 0) return;

  const auto name = [answer](TokenId token, std::uint8_t token_class) {
    for (std::size_t i = 0; i < answer->size; ++i) {
      if (answer->named[i].token == token) return;
    }
    answer->Name(token, token_class);
  };
  const auto follower = [&](std::size_t order) { return tokens_[found[order - 1]->position]; };
  const Match match = MatchOf(path);
  const bool longer =
      match.length > orders && match.next < tokens_.size() && tokens_[match.next] != kGap;
  const std::size_t length = longer ? match.length : orders;
  answer->other_class = OtherFollowedClass(length);
  if (longer) {
    const bool same = tokens_[match.next] == follower(orders);
    name(tokens_[match.next], FollowedClass(length, same && found[orders - 1]->times > 1));
    name(follower(orders), ShorterFollowedClass(orders));
  } else {
    name(follower(orders), FollowedClass(length, found[orders - 1]->times > 1));
  }
  for (std::size_t order = orders - 1; order > 0; --order) {
    name(follower(order), ShorterFollowedClass(order));
  }
  for (std::size_t order = orders; order > 0; --order) {
    const std::uint32_t second = found[order - 1]->second;
    if (second != kNowhere) name(tokens_[second], answer->other_class);
  }
}

void HistorySource::Observe(const ObservedStep& step) {
  // If all known tokens are new, the sequence begins, or tokens are missing before them.
  const bool begins = step.fresh == step.committed.size() && step.fresh > 0;
  if (begins || step.fresh > kHistoryTokens) BeginRun();
  for (const TokenId token : step.committed.last(std::min(step.fresh, kHistoryTokens))) {
    Append(token);
  }
  if (tokens_.size() > kHistoryTokens) Shorten();
}

void HistorySource::BeginRun() {
  if (!tokens_.empty()) tokens_.push_back(kGap);
  run_ = tokens_.size();
  match_ = {};
}

void HistorySource::Append(TokenId token) {
  const DraftPath path = {.committed = {}, .drafted = std::span(tokens_).subspan(run_)};
  const std::size_t known = path.drafted.size();
  const auto position = static_cast<std::uint32_t>(tokens_.size());
  for (std::size_t order = 1; order <= std::min(known, kOrders); ++order) {
    Follower& follower = followers_[order - 1][KeyOf(path, order)];
    if (follower.position != kNowhere && tokens_[follower.position] == token) {
      follower.times = 2;
    } else {
      follower.second = std::exchange(follower.position, position);
      follower.times = 1;
    }
    follower.position = position;
  }
  tokens_.push_back(token);
  Advance();
}

void HistorySource::Advance() {
  const std::size_t size = tokens_.size();
  if (match_.length > 0 && tokens_[match_.next] == tokens_.back()) {
    match_ = {.next = match_.next + 1, .length = std::min(match_.length + 1, kLongestMatch)};
  } else {
    match_ = {};
  }
  const Match place = Look({.committed = {}, .drafted = std::span(tokens_).subspan(run_)});
  if (place.length == 0) return;
  std::size_t length = 0;
  while (length < std::min({kLongestMatch, place.next, size - run_}) &&
         tokens_[place.next - 1 - length] == tokens_[size - 1 - length]) {
    ++length;
  }
  if (length >= match_.length) match_ = {.next = place.next, .length = length};
}

void HistorySource::Shorten() {
  const std::vector<TokenId> all = std::exchange(tokens_, {});
  const std::size_t keep = kHistoryTokens / 2;
  for (auto& followers : followers_) followers.clear();
  BeginRun();
  for (std::size_t i = all.size() - keep; i < all.size(); ++i) {
    if (all[i] == kGap) {
      BeginRun();
    } else {
      Append(all[i]);
    }
  }
}

}  // namespace recycling::drafter
