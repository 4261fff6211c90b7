// The drafter's matrices: which request reads and writes which one, for which model, and within
// which memory. Invariants:
//  1. Every matrix is of one model and one k, fixed by the first Bind.
//  2. All matrices alive, those of open sessions and of requests included, take at most max_bytes.
//  3. A matrix that someone holds is never dropped for room; it lives as long as it is held, also
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

namespace recycling::drafter {

enum class MatrixScope {
  kRequest,  // a fresh matrix, dropped when the request ends
  kTenant,   // the tenant's
  kShared,   // one for all tenants; only if the operator allows it
};

// Names a matrix. The tenant has 1 to 128 bytes; it does not matter for kShared.
struct MatrixKey {
  MatrixScope scope = MatrixScope::kTenant;
  std::string tenant;

  auto operator<=>(const MatrixKey&) const = default;
};

// What all matrices of a store are made for.
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
    std::shared_ptr<AdjacencyMatrix> matrix;
  };

  explicit MatrixStore(const MatrixStoreOptions& options) : options_(options) {}

  // The first call fixes model and k, later ones compare. InvalidArgument for an identity or k out
  // of range, FailedPrecondition if they differ from what is bound, ResourceExhausted if not even
  // one such matrix fits into max_bytes.
  absl::Status Bind(const MatrixBinding& binding);
  std::optional<MatrixBinding> binding() const;

  // InvalidArgument for kRequest or a tenant that does not have 1 to 128 bytes, FailedPrecondition
  // for kShared if it is not allowed.
  absl::Status ValidateKey(const MatrixKey& key) const;

  // The matrix to read and write, made cold if there is none; a fresh one for kRequest. Using one
  // makes it the most recently used. Errors of ValidateKey (kRequest is fine here);
  // FailedPrecondition if nothing is bound, ResourceExhausted if matrices in use leave no room.
  absl::StatusOr<std::shared_ptr<AdjacencyMatrix>> Use(const MatrixKey& key);

  // The same without making one: NotFound if there is none, errors of ValidateKey. Does not count
  // as use.
  absl::StatusOr<std::shared_ptr<AdjacencyMatrix>> Find(const MatrixKey& key) const;

  // A cold matrix that is counted but belongs to no key yet. FailedPrecondition and
  // ResourceExhausted as for Use.
  absl::StatusOr<std::shared_ptr<AdjacencyMatrix>> Allocate();

  // Makes `matrix`, from Allocate, the one of `key`; sessions that hold the old one go on with it.
  // Counts as use. Errors of ValidateKey.
  absl::Status Replace(const MatrixKey& key, std::shared_ptr<AdjacencyMatrix> matrix);

  // Every matrix with a key, the most recently used first; those of requests stand before them.
  std::vector<Entry> List() const;

  // Of every matrix alive.
  std::uint64_t bytes() const { return bytes_->load(); }
  const MatrixStoreOptions& options() const { return options_; }

 private:
  using Entries = std::list<Entry>;

  absl::StatusOr<std::shared_ptr<AdjacencyMatrix>> AllocateLocked()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom(std::uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void InsertLocked(const MatrixKey& key, std::shared_ptr<AdjacencyMatrix> matrix)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const MatrixStoreOptions options_;
  // Shared with the matrices, which subtract themselves when the last holder lets go.
  const std::shared_ptr<std::atomic<std::uint64_t>> bytes_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);

  mutable Mutex mutex_;
  std::optional<MatrixBinding> binding_ ABSL_GUARDED_BY(mutex_);
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  std::map<MatrixKey, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
  std::list<std::pair<std::string, std::weak_ptr<AdjacencyMatrix>>> requests_
      ABSL_GUARDED_BY(mutex_);  // tenant and matrix of scope kRequest
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_MATRIX_STORE_H_
