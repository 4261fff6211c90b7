// The keys and values of committed positions, in pages of kKvBlockRows positions. The cache gets
// the rows of a tree only when they are accepted.
//
// Invariants:
// 1. The bound limits the sum of the pages that open sequences hold, the pages that are promised to
//    them, and the pages that are kept for reuse. A sequence always gets the pages that were
//    promised to it at open.
// 2. Only the sequence that holds a page writes it, and only until the page is kept. A window part
//    (see below) that was dropped may be written again; nobody reads it before.
// 3. Only the same tenant finds a kept page, and only after the same tokens; see PrefixTree.
//
// A layer with a window sees only the last positions. The window part of a page is the numbers of
// these layers. A sequence holds the window parts of its last pages only. The bound counts for each
// open sequence as many window parts as it may hold at once, also if it shares them, and the window
// parts that no sequence holds. A sequence can start with a kept prefix only where the window parts
// of the last pages of the prefix are still kept.
#ifndef RECYCLING_VERIFIER_KV_KV_CACHE_H_
#define RECYCLING_VERIFIER_KV_KV_CACHE_H_

#include <algorithm>
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
  std::span<const TokenId> tokens = {};  // the first tokens of the sequence
  std::uint32_t max_reused = 0;          // most leading tokens to take from kept pages
  std::uint32_t max_positions = 0;       // at most the context length; 0: the context length
};

// Bytes and counts since the cache was created. Without windows, all bytes are multiples of the
// size of a page.
struct KvUsage {
  std::uint64_t bound_bytes = 0;
  std::uint64_t promised_bytes = 0;  // promised to open sequences and not filled yet
  std::uint64_t held_bytes = 0;      // held by open sequences; a shared page counts once
  std::uint64_t cached_bytes = 0;    // kept for reuse and held by no sequence
  std::uint64_t queried_tokens = 0;  // tokens that sequences looked up at open
  std::uint64_t found_tokens = 0;    // the part of queried_tokens that was found
  std::uint64_t evicted_pages = 0;   // dropped to make room; window parts alone do not count
};

// The positions [0, length()) of one sequence. The destructor frees the slot and the pages. Not
// thread-safe, but different threads may use different sequences.
class KvSequence {
 public:
  ~KvSequence();
  KvSequence(const KvSequence&) = delete;
  KvSequence& operator=(const KvSequence&) = delete;

  // The number of committed positions. After Open it is the number of positions that were found in
  // kept pages.
  std::uint32_t length() const { return length_; }
  // The number of leading positions in pages that were found or kept; a multiple of kKvBlockRows.
  std::uint32_t kept_length() const {
    return static_cast<std::uint32_t>(kept_.size() * kKvBlockRows);
  }
  // Removes positions [length, length()) and frees their pages. Does nothing if `length` is not
  // less than length(). If `length` is less than kept_length(), returns FailedPrecondition and
  // changes nothing, because other sequences may read these pages. Does the same if the layers with
  // a window do not hold what the position `length` sees.
  absl::Status Truncate(std::uint32_t length);

  // Appends `rows` of `from`, in order, as the next positions. `from` must have the layout of the
  // cache. If there would be more than max_positions(), returns ResourceExhausted and changes
  // nothing.
  absl::Status Append(const KvRows& from, std::span<const int> rows);

  // Keeps the full pages for reuse by sequences of this tenant, until the cache needs the room.
  // They stay kept after this sequence is destroyed. `tokens` are the tokens of the sequence from
  // the first one on. Keeps only pages that both `tokens` and length() cover. If a page with the
  // same tokens is already kept, this sequence uses that page and frees its own. Then releases the
  // window parts that the next position does not see; those of kept pages stay until the cache
  // needs the room. Append releases them too, but only when it needs them. So if Keep is called at
  // least after every kWindowSlack pages, it keeps all window parts.
  void Keep(std::span<const TokenId> tokens);

  // Takes pages that other sequences have kept since Open. Such a page replaces a page that this
  // sequence has begun to fill. Returns by how much length() has grown. `tokens` and `max_reused`
  // are as in KvRequest.
  std::uint32_t FindMore(std::span<const TokenId> tokens, std::uint32_t max_reused);

  // Identifies the kept pages: the pointers of two sequences are equal if the sequences have the
  // same tenant and the same kept pages.
  const void* kept_prefix() const { return kept_.empty() ? nullptr : kept_.back(); }

  // The most positions that the sequence may have; at most the context length.
  std::uint32_t max_positions() const { return max_positions_; }
  const KvLayout& layout() const;

  // The keys and values of one layer and head at the positions of block `block`, in the layout of
  // KvRows. The numbers at positions from length() on are arbitrary. So are those of a layer with a
  // window at positions that the position length() does not see.
  const std::byte* Keys(std::size_t layer, std::size_t head, std::size_t block) const {
    return pages_[block]->Keys(layer, head, 0);
  }
  const std::byte* Values(std::size_t layer, std::size_t head, std::size_t block) const {
    return pages_[block]->Values(layer, head, 0);
  }

 private:
  friend class KvCache;

  // `found` are the kept pages of the sequence. They, and their window parts from `window_begin`
  // on, are already held for it. The rest of its pages is already promised, and `window_parts`
  // window parts are counted for it.
  KvSequence(KvCache& cache, std::string tenant, std::uint32_t max_positions,
             std::vector<PrefixTree::Node*> found, std::size_t window_begin,
             std::size_t window_parts);

  // Adds an empty page to pages_.
  void AddPage();
  bool HoldsWindowPart(std::size_t page) const;

  KvCache& cache_;
  const std::string tenant_;
  const std::uint32_t max_positions_;
  std::uint32_t length_ = 0;
  std::vector<KvRows*> pages_;           // pages of positions [0, length_)
  std::vector<PrefixTree::Node*> kept_;  // nodes of the first pages of pages_
  std::size_t window_begin_ = 0;         // the first page whose window part the sequence holds
  const std::size_t window_parts_;       // the most that it may hold at once
};

// How many pages more than the window needs a sequence may hold window parts of. So up to 512 rows
// of a pass fit before Keep releases what the next position does not see.
inline constexpr std::size_t kWindowSlack = 8;

// A fixed number of slots, one for each open sequence, and a limited number of pages. The system
// provides the memory of a page when its first position is written. When a sequence frees pages,
// the cache keeps them for other sequences. Threads: any thread may open or destroy a sequence and
// call the getters.
class KvCache {
 public:
  // Without windows, `max_bytes` is rounded down to whole pages. 0: enough for max_sequences
  // sequences of context_length tokens, so that no open fails because there are too few pages.
  // Returns InvalidArgument if context_length or max_sequences is less than 1, or if max_bytes is
  // not 0 and less than a page.
  static absl::StatusOr<std::unique_ptr<KvCache>> Create(const ModelConfig& config, KvType type,
                                                         std::uint32_t context_length,
                                                         int max_sequences,
                                                         std::uint64_t max_bytes = 0);

  // Opens a sequence. It starts with the longest run of kept pages that holds its first tokens. The
  // cache promises it the pages for the rest of its positions. To make room, the cache drops kept
  // pages that no sequence holds; it drops the least recently used page first. Returns OutOfRange
  // if the sequence may need more memory than the bound allows, because it could then never be
  // opened. Returns ResourceExhausted if all slots are taken, if open sequences leave too little
  // memory, or if the system has no memory. The cache must outlive the sequence.
  absl::StatusOr<std::unique_ptr<KvSequence>> Open(KvRequest request = {});

  KvUsage usage() const;
  int open_sequences() const;
  int max_sequences() const { return max_sequences_; }
  std::uint32_t context_length() const { return context_length_; }
  const KvLayout& layout() const { return layout_; }

  // PageBytes returns the size of one page in bytes, with its window part. AllBytes returns the
  // bound that Create uses if max_bytes is 0.
  static std::uint64_t PageBytes(const KvLayout& layout);
  static std::uint64_t AllBytes(const KvLayout& layout, std::uint32_t context_length,
                                int max_sequences);

 private:
  friend class KvSequence;
  KvCache(const KvLayout& layout, std::uint32_t context_length, int max_sequences,
          std::uint64_t max_bytes);

  using Nodes = std::vector<PrefixTree::Node*>;

  // `nodes` are the kept pages of the first tokens. Adds the kept pages that follow within the
  // first `positions` tokens, and holds them. Returns the number of added pages.
  std::size_t Find(const std::string& tenant, std::span<const TokenId> tokens,
                   std::uint32_t positions, Nodes& nodes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Releases nodes from the last one back, until `count` are left.
  void ReleaseFrom(std::size_t count, Nodes& nodes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // How many of these first pages a sequence can start with: the most after which the window parts
  // that the next position sees are there.
  std::size_t UsablePages(const Nodes& nodes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The first page whose window part the position after `length` positions sees.
  std::size_t WindowBegin(std::uint32_t length) const;
  std::uint64_t Bytes(std::size_t pages, std::size_t window_parts) const {
    return pages * (page_bytes_ - window_bytes_) + window_parts * window_bytes_;
  }
  // Holds the window parts of the kept pages of `sequence`, from page `begin` on.
  void HoldWindowParts(std::size_t begin, KvSequence& sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Releases the window parts that the position length() of `sequence` does not see.
  void ReleaseUnseen(KvSequence& sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Promises `pages` more pages and counts `window_parts` more window parts. After an error nothing
  // has changed, but the cache may have dropped kept pages because the system had no memory.
  absl::Status Promise(std::size_t pages, std::size_t window_parts)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Drops what no sequence holds until everything fits the bound.
  void FitBound() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Drops the kept page, or the window part, that no sequence has held for the longest time.
  // Returns false if there is none.
  bool DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes a free page. Requires a promised page that is not taken yet, so there is always a free
  // page. Allocates nothing. The page has a window part.
  KvRows* TakePage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `window_part`: whether the page still has its window part.
  void GiveBack(KvRows* page, bool window_part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropWindowPart(KvRows* page) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::uint64_t held_bytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return Bytes(own_pages_ + tree_.pages() - tree_.idle_pages(),
                 own_window_parts_ + tree_.window_parts() - tree_.idle_window_parts());
  }
  // Of what open sequences hold and of what is promised to them.
  std::uint64_t taken_bytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return Bytes(promised_pages_ + own_pages_ + tree_.pages() - tree_.idle_pages(), window_parts_);
  }
  std::uint64_t idle_bytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return Bytes(tree_.idle_pages(), tree_.idle_window_parts());
  }

  // Constant after construction.
  const KvLayout layout_;
  const std::uint32_t context_length_;
  const int max_sequences_;
  const std::uint64_t page_bytes_;    // with the window part
  const std::uint64_t window_bytes_;  // of the window part
  const std::size_t window_pages_;    // the most window parts that a sequence holds at once
  const std::uint64_t max_bytes_;

  mutable Mutex mu_;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::unique_ptr<KvRows>> pages_ ABSL_GUARDED_BY(mu_);  // all pages
  // Free pages; there are at least as many as are promised. The pages of used_ were in use before,
  // so they have memory already, and they are taken first. The pages of unused_ were never in use.
  std::vector<KvRows*> used_ ABSL_GUARDED_BY(mu_);
  std::vector<KvRows*> unused_ ABSL_GUARDED_BY(mu_);
  std::size_t promised_pages_ ABSL_GUARDED_BY(mu_) = 0;
  std::size_t window_parts_ ABSL_GUARDED_BY(mu_) = 0;      // counted for open sequences
  std::size_t own_pages_ ABSL_GUARDED_BY(mu_) = 0;         // pages held by sequences and not kept
  std::size_t own_window_parts_ ABSL_GUARDED_BY(mu_) = 0;  // of own pages
  PrefixTree tree_ ABSL_GUARDED_BY(mu_);
  std::uint64_t queried_tokens_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t found_tokens_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t evicted_pages_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_KV_CACHE_H_
