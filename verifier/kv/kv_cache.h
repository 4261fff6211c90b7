// Keys and values of committed positions, in pages of kKvBlockRows positions. Tree rows never enter
// here before they are accepted.
//
// Invariants:
//  1. Pages promised to open sequences, pages they hold and pages kept for reuse together never
//     exceed the bound. What a sequence was promised at open it gets.
//  2. A page is written by the one sequence that holds it until it is kept, and never after.
//  3. A kept page is found by the same tenant after the same tokens only; see PrefixTree.
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
  std::string tenant;                    // whose kept pages it may use, and who may use its
  std::span<const TokenId> tokens = {};  // of its first positions
  std::uint32_t max_reused = 0;          // of them, from the first on, may be found, 0: none
  std::uint32_t max_positions = 0;       // most it will ever have; 0, or more: the context length
};

// Bytes, all multiples of a page, and counts since the cache was created.
struct KvUsage {
  std::uint64_t bound_bytes = 0;
  std::uint64_t promised_bytes = 0;  // to open sequences, not filled yet
  std::uint64_t held_bytes = 0;      // by open sequences; a page that several hold counts once
  std::uint64_t cached_bytes = 0;    // held by none, kept for reuse
  std::uint64_t queried_tokens = 0;  // looked up by sequences that opened
  std::uint64_t found_tokens = 0;    // of these, found
  std::uint64_t evicted_pages = 0;   // dropped for room
};

// One sequence's positions [0, length). Gives its slot and pages back to the cache when destroyed.
// Not thread-safe, but different sequences may be used on different threads.
class KvSequence {
 public:
  ~KvSequence();
  KvSequence(const KvSequence&) = delete;
  KvSequence& operator=(const KvSequence&) = delete;

  // Committed positions. After Open those that were found.
  std::uint32_t length() const { return length_; }
  // Of these, positions in pages that were found or kept; a multiple of kKvBlockRows.
  std::uint32_t kept_length() const {
    return static_cast<std::uint32_t>(kept_.size() * kKvBlockRows);
  }
  // Forgets positions [length, old length) and gives their pages back. Nothing happens if length is
  // not less than the old one. FailedPrecondition if it is less than kept_length(): others may read
  // these pages, and nothing changed.
  absl::Status Truncate(std::uint32_t length);

  // Appends `rows` of `from`, in order, as the next positions. `from` must have the cache's layout.
  // ResourceExhausted if there would be more than max_positions(); nothing changed then.
  absl::Status Append(const KvRows& from, std::span<const int> rows);

  // Lets sequences of this tenant find the full pages, now and after this sequence is gone, until
  // room is needed. `tokens` are those of the positions, from the first on; more or fewer than
  // length() are ignored. Where a page of the same tokens is kept already, it takes the place of
  // this sequence's own.
  void Keep(std::span<const TokenId> tokens);

  // Takes pages that others have kept since Open, in place of its own where it has begun them, and
  // returns how many positions it has more. `tokens` and `max_reused` as in KvRequest.
  std::uint32_t FindMore(std::span<const TokenId> tokens, std::uint32_t max_reused);

  // Names the kept pages: equal for sequences of the same tenant that have the same ones.
  const void* kept_prefix() const { return kept_.empty() ? nullptr : kept_.back(); }

  // Most positions, at most the context length.
  std::uint32_t max_positions() const { return max_positions_; }
  const KvLayout& layout() const;

  // Keys and values of one layer and head, positions [block * kKvBlockRows, ...), as KvRows has
  // them. Those from length() on are arbitrary.
  const std::byte* Keys(std::size_t layer, std::size_t head, std::size_t block) const {
    return pages_[block]->Keys(layer, head, 0);
  }
  const std::byte* Values(std::size_t layer, std::size_t head, std::size_t block) const {
    return pages_[block]->Values(layer, head, 0);
  }

 private:
  friend class KvCache;

  // Of pages that are found and promised.
  KvSequence(KvCache& cache, std::string tenant, std::uint32_t max_positions,
             std::vector<PrefixTree::Node*> found);

  KvCache& cache_;
  const std::string tenant_;
  const std::uint32_t max_positions_;
  std::uint32_t length_ = 0;
  std::vector<KvRows*> pages_;           // as many as length_ needs
  std::vector<PrefixTree::Node*> kept_;  // of the first pages_
};

// A fixed number of slots, each for one sequence, over pages of a bounded number of bytes. The
// system gives a page's memory when its first position is filled; what sequences give back stays
// here for others. Threads: Open, destroying a sequence and the getters may happen on any thread.
class KvCache {
 public:
  // `max_bytes` is rounded down to whole pages; 0: what max_sequences of context_length take, which
  // no open ever fails for. InvalidArgument if context_length or max_sequences is not at least 1,
  // or max_bytes has no room for a page.
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
  std::uint64_t page_bytes() const { return page_bytes_; }

  // Bytes of a page, and of what Create takes with max_bytes 0.
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

  // Extends `nodes`, those of the first pages, by what is kept within `positions`; holds it.
  // Returns how many pages that were.
  std::size_t Find(const std::string& tenant, std::span<const TokenId> tokens,
                   std::uint32_t positions, Nodes& nodes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Release(const Nodes& nodes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Makes room for `pages` more, in the bound and in memory. Nothing changed on error, but pages
  // that were dropped for lack of memory.
  absl::Status Promise(std::size_t pages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False if no page is kept that nobody holds.
  bool DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A page that was promised, so there is one; takes nothing from the heap.
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
  std::vector<std::unique_ptr<KvRows>> pages_ ABSL_GUARDED_BY(mu_);  // all there are
  // Pages without an owner, at least as many as are promised. The used ones have memory and are
  // taken first.
  std::vector<KvRows*> used_ ABSL_GUARDED_BY(mu_);
  std::vector<KvRows*> unused_ ABSL_GUARDED_BY(mu_);
  std::size_t promised_pages_ ABSL_GUARDED_BY(mu_) = 0;
  std::size_t own_pages_ ABSL_GUARDED_BY(mu_) = 0;  // of sequences, not kept
  PrefixTree tree_ ABSL_GUARDED_BY(mu_);
  std::uint64_t queried_tokens_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t found_tokens_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t evicted_pages_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_KV_CACHE_H_
