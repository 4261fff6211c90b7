// Keys and values of committed positions, in pages of kKvBlockRows positions. Rows of a tree enter
// the cache only when they are accepted.
//
// Invariants:
//  1. The pages that open sequences hold, the pages promised to them, and the pages kept for reuse
//     together never exceed the bound. A sequence always gets the pages promised to it at open.
//  2. Only the sequence that holds a page writes it, and only until the page is kept.
//  3. Only the same tenant finds a kept page, and only after the same tokens; see PrefixTree.
#ifndef RECYCLING_VERIFIER_KV_KV_CACHE_H_
#define RECYCLING_VERIFIER_KV_KV_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/decoding/token_id.h"
#include "verifier/kv/kv_rows.h"  // KvType
#include "verifier/kv/prefix_tree.h"
#include "verifier/model/model_config.h"

namespace recycling::verifier {

class KvCache;

// A sequence to open.
struct KvRequest {
  std::string tenant;                    // only sequences of one tenant share kept pages
  std::span<const TokenId> tokens = {};  // its first tokens
  std::uint32_t max_reused = 0;          // most first tokens to take from kept pages
  std::uint32_t max_positions = 0;  // of the sequence; 0: the context length, which is the most
};

// Bytes, all multiples of a page's, and counts since the cache was created.
struct KvUsage {
  std::uint64_t bound_bytes = 0;
  std::uint64_t promised_bytes = 0;  // promised to open sequences and not filled yet
  std::uint64_t held_bytes = 0;      // held by open sequences; a page that several hold counts once
  std::uint64_t cached_bytes = 0;    // kept for reuse and held by no sequence
  std::uint64_t queried_tokens = 0;  // that opened sequences have looked up
  std::uint64_t found_tokens = 0;    // the part of queried_tokens that was found
  std::uint64_t evicted_pages = 0;   // dropped to make room
};

// The positions [0, length()) of one sequence. Its destructor gives its slot and pages back to the
// cache. Not thread-safe, but different sequences may be used on different threads.
class KvSequence {
 public:
  ~KvSequence();
  KvSequence(const KvSequence&) = delete;
  KvSequence& operator=(const KvSequence&) = delete;

  // Committed positions. After Open, the positions that were found in kept pages.
  std::uint32_t length() const { return length_; }
  // How many first positions lie in pages that were found or kept; a multiple of kKvBlockRows.
  std::uint32_t kept_length() const {
    return static_cast<std::uint32_t>(kept_.size() * kKvBlockRows);
  }
  // Forgets positions [length, length()) and gives their pages back. Does nothing if `length` is
  // not less than length(). FailedPrecondition, and nothing changes, if it is less than
  // kept_length(), because other sequences may read these pages.
  absl::Status Truncate(std::uint32_t length);

  // Appends `rows` of `from`, in order, as the next positions. `from` must have the cache's layout.
  // ResourceExhausted, and nothing changes, if there would be more than max_positions().
  absl::Status Append(const KvRows& from, std::span<const int> rows);

  // Keeps the full pages for reuse by sequences of this tenant, also after this sequence is gone,
  // until the cache needs the room. `tokens` are the sequence's tokens from the first one on. Only
  // pages that both `tokens` and length() cover are kept. If a page of the same tokens is kept
  // already, this sequence takes that one and gives its own back.
  void Keep(std::span<const TokenId> tokens);

  // Takes pages that other sequences have kept since Open. A page that this sequence has begun
  // itself is replaced. Returns by how much length() has grown. `tokens` and `max_reused` as in
  // KvRequest.
  std::uint32_t FindMore(std::span<const TokenId> tokens, std::uint32_t max_reused);

  // Identifies the kept pages: equal for sequences of the same tenant with the same kept pages.
  const void* kept_prefix() const { return kept_.empty() ? nullptr : kept_.back(); }

  // Most positions of the sequence; at most the context length.
  std::uint32_t max_positions() const { return max_positions_; }
  const KvLayout& layout() const;

  // Keys and values of one layer and head at the positions of block `block`, as KvRows has them.
  // Those at positions from length() on are arbitrary.
  const std::byte* Keys(std::size_t layer, std::size_t head, std::size_t block) const {
    return pages_[block]->Keys(layer, head, 0);
  }
  const std::byte* Values(std::size_t layer, std::size_t head, std::size_t block) const {
    return pages_[block]->Values(layer, head, 0);
  }

 private:
  friend class KvCache;

  // `found` are its kept pages, held for it. The rest of its pages is promised already.
  KvSequence(KvCache& cache, std::string tenant, std::uint32_t max_positions,
             std::vector<PrefixTree::Node*> found);

  KvCache& cache_;
  const std::string tenant_;
  const std::uint32_t max_positions_;
  std::uint32_t length_ = 0;
  std::vector<KvRows*> pages_;           // of positions [0, length_)
  std::vector<PrefixTree::Node*> kept_;  // nodes of the first pages of pages_
};

// A fixed number of slots for one sequence each, and pages of a bounded number of bytes. The system
// provides the memory of a page when its first position is filled. Pages that sequences give back
// stay in the cache for other sequences. Threads: Open, destroying a sequence and the getters may
// happen on any thread.
class KvCache {
 public:
  // `max_bytes` is rounded down to whole pages. 0: as much as max_sequences of context_length need,
  // so that no open fails for lack of pages. InvalidArgument if context_length or max_sequences is
  // less than 1, or max_bytes is less than a page.
  static absl::StatusOr<std::unique_ptr<KvCache>> Create(const ModelConfig& config, KvType type,
                                                         std::uint32_t context_length,
                                                         int max_sequences,
                                                         std::uint64_t max_bytes = 0);

  // Opens a sequence. It starts with the longest run of kept pages that holds its first tokens, and
  // is promised the rest of its positions. Kept pages are dropped to make room, the least recently
  // used one first. OutOfRange if the sequence may need more pages than the bound allows, so that
  // it could never be opened. ResourceExhausted if every slot is taken, if open sequences leave too
  // little room, or if the system has no memory. The cache must outlive the sequence.
  absl::StatusOr<std::unique_ptr<KvSequence>> Open(KvRequest request = {});

  KvUsage usage() const;
  int open_sequences() const;
  int max_sequences() const { return max_sequences_; }
  std::uint32_t context_length() const { return context_length_; }
  const KvLayout& layout() const { return layout_; }

  // The bytes of one page, and the bound that Create uses with max_bytes 0.
  static std::uint64_t PageBytes(const KvLayout& layout);
  static std::uint64_t AllBytes(const KvLayout& layout, std::uint32_t context_length,
                                int max_sequences);

 private:
  friend class KvSequence;
  KvCache(const KvLayout& layout, std::uint32_t context_length, int max_sequences,
          std::size_t max_pages)
      : layout_(layout),
        context_length_(context_length),
        max_sequences_(max_sequences),
        page_bytes_(PageBytes(layout)),
        max_pages_(max_pages) {}

  using Nodes = std::vector<PrefixTree::Node*>;

  // Extends `nodes`, the kept pages of the first tokens, by the kept pages that follow within the
  // first `positions` tokens, and holds them. Returns the number of pages added.
  std::size_t Find(const std::string& tenant, std::span<const TokenId> tokens,
                   std::uint32_t positions, Nodes& nodes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Release(const Nodes& nodes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Makes room for `pages` more, in the bound and in memory. On an error nothing changes, except
  // that kept pages may have been dropped because the system had no memory.
  absl::Status Promise(std::size_t pages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Drops the kept page that no sequence has held for the longest time. False if there is none.
  bool DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes a page that was promised, so there is one. Allocates nothing.
  KvRows* TakePage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GiveBack(KvRows* page) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::size_t held_pages() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return own_pages_ + tree_.pages() - tree_.idle_pages();
  }

  // Constant after construction.
  const KvLayout layout_;
  const std::uint32_t context_length_;
  const int max_sequences_;
  const std::uint64_t page_bytes_;
  const std::size_t max_pages_;

  mutable Mutex mu_;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::unique_ptr<KvRows>> pages_ ABSL_GUARDED_BY(mu_);  // all pages
  // Free pages, at least as many as are promised. The used ones have memory already and are taken
  // first.
  std::vector<KvRows*> used_ ABSL_GUARDED_BY(mu_);
  std::vector<KvRows*> unused_ ABSL_GUARDED_BY(mu_);
  std::size_t promised_pages_ ABSL_GUARDED_BY(mu_) = 0;
  std::size_t own_pages_ ABSL_GUARDED_BY(mu_) = 0;  // that sequences hold and that are not kept
  PrefixTree tree_ ABSL_GUARDED_BY(mu_);
  std::uint64_t queried_tokens_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t found_tokens_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t evicted_pages_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_KV_CACHE_H_
