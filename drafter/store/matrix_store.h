// The drafter's matrices: which matrix a request reads and writes, for which model, and how much
// memory all of them take. Each matrix comes with the counts that belong to it (scope_memory.h).
// Invariants:
//  1. All matrices are for one model and one k. The first Bind decides both.
//  2. All matrices in memory together take at most max_bytes. Those that only sessions hold count.
//  3. A matrix that somebody holds is never dropped for room. It lives as long as it is held, even
//     after it was replaced.
#ifndef RECYCLING_DRAFTER_STORE_MATRIX_STORE_H_
#define RECYCLING_DRAFTER_STORE_MATRIX_STORE_H_

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/decoding/model_identity.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/store/scope_memory.h"

namespace recycling::drafter {

enum class MatrixScope {
  kRequest,  // a fresh matrix, dropped when the request ends
  kTenant,   // the tenant's
  kShared,   // one for all tenants; only if the operator allows it
};

// Names a matrix. The tenant has 1 to 128 bytes. For kShared it is ignored.
struct MatrixKey {
  MatrixScope scope = MatrixScope::kTenant;
  std::string tenant;

  auto operator<=>(const MatrixKey&) const = default;
};

// The model and k of all matrices of a store.
struct MatrixBinding {
  ModelIdentity model;
  std::uint32_t k = 0;

  bool operator==(const MatrixBinding&) const = default;
};

// InvalidArgument for an identity out of range or a k that is not in [1, min(kMaxK, vocab_size)].
absl::Status ValidateBinding(const MatrixBinding& binding);

struct MatrixStoreOptions {
  std::uint64_t max_bytes = std::uint64_t{256} << 20;  // of all matrices together
  bool allow_shared = false;                           // MatrixScope::kShared may be used
};

// Threads: all methods may be called from any thread.
class MatrixStore {
 public:
  struct Entry {
    MatrixKey key;
    std::shared_ptr<ScopeMemory> memory;
  };

  explicit MatrixStore(const MatrixStoreOptions& options) : options_(options) {}

  // The first call decides model and k. Later calls compare. InvalidArgument for an identity or a k
  // out of range, FailedPrecondition if they differ from what is bound, ResourceExhausted if one
  // such matrix does not fit into max_bytes.
  absl::Status Bind(const MatrixBinding& binding);
  std::optional<MatrixBinding> binding() const;

  // InvalidArgument for kRequest or a tenant that does not have 1 to 128 bytes, FailedPrecondition
  // for kShared if it is not allowed.
  absl::Status ValidateKey(const MatrixKey& key) const;

  // The matrix to read and write. If there is none, and always for kRequest, a new one that is
  // cold. It becomes the most recently used. Errors of ValidateKey, but kRequest is allowed here;
  // FailedPrecondition if nothing is bound, ResourceExhausted if matrices in use leave no room.
  absl::StatusOr<std::shared_ptr<ScopeMemory>> Use(const MatrixKey& key);

  // The matrix of `key`. It does not become the most recently used. NotFound if there is none;
  // errors of ValidateKey.
  absl::StatusOr<std::shared_ptr<ScopeMemory>> Find(const MatrixKey& key) const;

  // A new cold matrix that belongs to no key yet. Its bytes count. FailedPrecondition and
  // ResourceExhausted as for Use.
  absl::StatusOr<std::shared_ptr<ScopeMemory>> Allocate();

  // `memory`, which comes from Allocate, becomes that of `key` and the most recently used. Sessions
  // that hold the old one go on with the old one. Errors of ValidateKey.
  absl::Status Replace(const MatrixKey& key, std::shared_ptr<ScopeMemory> memory);

  // All matrices: first those of requests, then the others, the most recently used first.
  std::vector<Entry> List() const;

  // Memory of all matrices, bytes.
  std::uint64_t bytes() const { return bytes_->load(); }
  const MatrixStoreOptions& options() const { return options_; }

 private:
  using Entries = std::list<Entry>;

  absl::StatusOr<std::shared_ptr<ScopeMemory>> AllocateLocked()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom(std::uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void InsertLocked(const MatrixKey& key, std::shared_ptr<ScopeMemory> memory)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const MatrixStoreOptions options_;
  // Shared with the matrices: each subtracts its bytes when its last holder lets it go.
  const std::shared_ptr<std::atomic<std::uint64_t>> bytes_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);

  mutable Mutex mutex_;
  std::optional<MatrixBinding> binding_ ABSL_GUARDED_BY(mutex_);
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  std::map<MatrixKey, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
  std::list<std::pair<std::string, std::weak_ptr<ScopeMemory>>> requests_
      ABSL_GUARDED_BY(mutex_);  // of scope kRequest, with their tenants
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_MATRIX_STORE_H_
