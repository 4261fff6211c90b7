// Keys and values of committed positions. Tree rows never enter here before they are accepted.
#ifndef RECYCLING_VERIFIER_KV_CACHE_H_
#define RECYCLING_VERIFIER_KV_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "verifier/kv_rows.h"  // KvType
#include "verifier/model_config.h"

namespace recycling::verifier {

class KvCache;

// One sequence's positions [0, length). Gives its slot back to the cache when destroyed. Not
// thread-safe.
class KvSequence {
 public:
  ~KvSequence();
  KvSequence(const KvSequence&) = delete;
  KvSequence& operator=(const KvSequence&) = delete;

  // Committed positions.
  std::uint32_t length() const { return length_; }
  // Forgets positions [length, old length) and gives their pages back. Nothing happens if length is
  // not less than the old one.
  void Truncate(std::uint32_t length);

  // Appends `rows` of `from`, in order, as the next positions. `from` must have the cache's layout.
  // ResourceExhausted if the context is full or memory cannot be had; nothing changed then.
  absl::Status Append(const KvRows& from, std::span<const int> rows);

  // Most positions.
  std::uint32_t context_length() const;
  const KvLayout& layout() const;

  // Keys and values of one layer and head, positions [block * kKvBlockRows, ...), as KvRows has
  // them. Those from length() on are arbitrary.
  const std::byte* Keys(std::size_t layer, std::size_t head, std::size_t block) const {
    return pages_[block].Keys(layer, head, 0);
  }
  const std::byte* Values(std::size_t layer, std::size_t head, std::size_t block) const {
    return pages_[block].Values(layer, head, 0);
  }

 private:
  friend class KvCache;
  static constexpr std::uint32_t kPageRows = kKvBlockRows;

  explicit KvSequence(KvCache& cache) : cache_(cache) {}

  KvCache& cache_;
  std::uint32_t length_ = 0;
  std::vector<KvRows> pages_;  // kPageRows positions each, as many as length_ needs
};

// A fixed number of slots, each for one sequence of at most context_length positions; memory is
// taken as positions fill. Threads: Open, destroying a sequence and the getters may happen on any
// thread.
class KvCache {
 public:
  // InvalidArgument if context_length or max_sequences is not at least 1.
  static absl::StatusOr<std::unique_ptr<KvCache>> Create(const ModelConfig& config, KvType type,
                                                         std::uint32_t context_length,
                                                         int max_sequences);

  // ResourceExhausted if every slot is taken. The cache must outlive the sequence.
  absl::StatusOr<std::unique_ptr<KvSequence>> Open();

  int open_sequences() const { return open_.load(); }
  int max_sequences() const { return max_sequences_; }
  std::uint32_t context_length() const { return context_length_; }
  const KvLayout& layout() const { return layout_; }

 private:
  friend class KvSequence;
  KvCache(const KvLayout& layout, std::uint32_t context_length, int max_sequences)
      : layout_(layout), context_length_(context_length), max_sequences_(max_sequences) {}

  const KvLayout layout_;
  const std::uint32_t context_length_;
  const int max_sequences_;
  std::atomic<int> open_{0};
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_CACHE_H_
