// Which tokens may follow a text.
#ifndef RECYCLING_COMMON_CONSTRAINT_TOKEN_MASKS_H_
#define RECYCLING_COMMON_CONSTRAINT_TOKEN_MASKS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/mutex.h"
#include "common/constraint/grammar.h"
#include "common/constraint/matcher.h"
#include "common/constraint/token_trie.h"

namespace recycling::constraint {

// A set of tokens.
class TokenMask {
 public:
  explicit TokenMask(std::size_t vocabulary) : words_((vocabulary + 63) / 64, 0) {}

  bool Has(TokenId token) const { return (words_[token / 64] >> (token % 64) & 1) != 0; }
  void Add(TokenId token) { words_[token / 64] |= std::uint64_t{1} << (token % 64); }
  void Remove(TokenId token) { words_[token / 64] &= ~(std::uint64_t{1} << (token % 64)); }
  void Add(const TokenMask& other);
  std::size_t size() const;  // how many tokens it has
  const std::vector<std::uint64_t>& words() const { return words_; }

  bool operator==(const TokenMask&) const = default;

 private:
  std::vector<std::uint64_t> words_;  // bit i of word w: token 64 w + i
};

// Masks of one grammar and one vocabulary. All requests share it. Threads: any.
//
// A walk through the whole vocabulary takes milliseconds. So the mask of a place (Matcher::Place)
// is computed once. It has the tokens that stay within the place. The tokens that leave it are kept
// by the part of their text behind the place, which few states allow.
class TokenMasks {
 public:
  // Keeps at most about `most_bytes` of masks; older ones are dropped.
  TokenMasks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie,
             std::size_t most_bytes = 64 << 20);

  // The tokens after which the text can still be completed. `matcher` is of the same grammar; with
  // many new texts it may overflow, and then the mask has fewer tokens.
  TokenMask Of(Matcher& matcher, StateId state);

 private:
  struct PlaceMask {
    TokenMask inside;
    // The tokens that leave the place, by the text that they have behind it; sorted.
    std::vector<std::pair<std::string, std::vector<TokenId>>> leaving;
    // Trie nodes at or below which a token leaves the place. Empty if this mask was made from the
    // mask of the unbounded place.
    std::vector<bool> leaves_below;

    explicit PlaceMask(std::size_t vocabulary) : inside(vocabulary) {}
    std::size_t bytes() const;
  };

  // The same place with smaller counts. A token can use up at most as many texts as the longest
  // token has bytes, so all higher counts have the same mask.
  Matcher::Place Shorten(Matcher::Place place) const;
  std::shared_ptr<const PlaceMask> MaskOf(const Matcher::Place& place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetPlaces() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a token that breaks the bounds of the calls of `place` must leave the place.
  bool LeavesByBounds(const Matcher::Place& place) const;
  bool LeadsToEnd(NodeId node) const;
  std::shared_ptr<PlaceMask> Walk(const Matcher::Place& place, const PlaceMask* unbounded)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddBelow(std::size_t node, std::map<std::string, std::vector<TokenId>>& leaving) const;
  static void AddLeaving(const PlaceMask& mask, Matcher& matcher, StateId outside, TokenMask& to);

  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const TokenTrie> trie_;
  const std::size_t most_bytes_;
  Mutex mutex_;
  std::unique_ptr<Matcher> places_ ABSL_GUARDED_BY(mutex_);  // texts within places
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<Matcher::Place, std::shared_ptr<const PlaceMask>> masks_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_TOKEN_MASKS_H_
