// Keys and values of committed positions. Tree rows never enter here before they are accepted.
#ifndef RECYCLING_VERIFIER_KV_CACHE_H_
#define RECYCLING_VERIFIER_KV_CACHE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "verifier/model_config.h"

namespace recycling::verifier {

// Number format of cached keys and values. Rows are rounded to it before any use, in their own pass
// too.
enum class KvType { kF32, kF16 };

class KvCache;

// One sequence's positions [0, length). Gives its slot back to the cache when destroyed. Not
// thread-safe.
class KvSequence {
 public:
  virtual ~KvSequence() = default;

  // Committed positions.
  virtual std::uint32_t length() const = 0;
  // Forgets positions [length, old length). length must be at most the old one.
  virtual void Truncate(std::uint32_t length) = 0;
};

// A fixed number of slots, each for one sequence of at most context_length positions; memory is
// taken as positions fill. Threads: Open, destroying a sequence and the getters may happen on any
// thread.
class KvCache {
 public:
  static absl::StatusOr<std::unique_ptr<KvCache>> Create(const ModelConfig& config, KvType type,
                                                         std::uint32_t context_length,
                                                         int max_sequences);
  virtual ~KvCache() = default;

  // ResourceExhausted if every slot is taken. The cache must outlive the sequence.
  virtual absl::StatusOr<std::unique_ptr<KvSequence>> Open() = 0;

  virtual int open_sequences() const = 0;
  virtual int max_sequences() const = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KV_CACHE_H_
