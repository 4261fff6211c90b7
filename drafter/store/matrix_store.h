// Holds the drafter's matrices. It finds the matrix of a request and limits the memory of all
// matrices. Each matrix comes with what its scope has learnt besides (scope_memory.h).
// Invariants:
//  1. All matrices are for one model and one k. The first call of Bind decides both.
//  2. All matrices together take at most max_bytes. Matrices that only sessions hold count too.
//  3. To make room, the store drops only matrices that no caller holds. As long as a caller holds a
//     matrix, it exists, even after it was replaced.
//  4. The base matrix belongs to the same model and k. It does not count toward max_bytes.
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
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/store/base_matrix.h"
#include "drafter/store/matrix_binding.h"
#include "drafter/store/scope_memory.h"

namespace recycling::drafter {

enum class MatrixScope {
  kRequest,  // a new matrix, deleted when the request ends
  kTenant,   // one for each tenant
  kShared,   // one for all tenants; only if the operator allows it
};

// Identifies a matrix. The tenant has 1 to 128 bytes. For kShared, the store ignores the tenant.
struct MatrixKey {
  MatrixScope scope = MatrixScope::kTenant;
  std::string tenant;

  auto operator<=>(const MatrixKey&) const = default;
};

struct MatrixStoreOptions {
  std::uint64_t max_bytes = std::uint64_t{1} << 30;  // limit for all matrices together
  bool allow_shared = false;                         // MatrixScope::kShared may be used
};

// Threads: all methods may be called from any thread.
class MatrixStore {
 public:
  struct Entry {
    MatrixKey key;
    std::shared_ptr<ScopeMemory> memory;
  };

  explicit MatrixStore(const MatrixStoreOptions& options) : options_(options) {}

  // The first call sets model and k. Later calls compare with them. Returns InvalidArgument as
  // ValidateBinding does, FailedPrecondition if model or k differ from those of the first call, and
  // ResourceExhausted if one such matrix does not fit into max_bytes. If there is a base matrix,
  // the first call compares it too (SetBase).
  absl::Status Bind(const MatrixBinding& binding);
  std::optional<MatrixBinding> binding() const;

  // What happens if a base matrix belongs to another model or k than the store.
  enum class BaseMustFit {
    kYes,  // the call that finds it out fails with FailedPrecondition
    kNo,   // the store logs a warning and goes on without a base matrix
  };
  // Sets the base matrix. The caller calls it at most once, before other threads use the store. If
  // the store is bound, compares at once, else in the first call of Bind.
  absl::Status SetBase(std::unique_ptr<const BaseMatrix> base, BaseMustFit must_fit);
  // The base matrix. Null if there is none, if it does not fit, or before the first Bind. Valid as
  // long as the store.
  const AdjacencyMatrix* base() const;

  // Returns InvalidArgument for kRequest, and for a tenant that does not have 1 to 128 bytes.
  // Returns FailedPrecondition for kShared if the options do not allow it.
  absl::Status ValidateKey(const MatrixKey& key) const;

  // Returns the matrix of `key` and makes it the most recently used. If there is none, and always
  // for kRequest, makes a new cold matrix. Returns the errors of ValidateKey, except that kRequest
  // is allowed here. Returns FailedPrecondition before the first Bind, and ResourceExhausted if the
  // matrices in use leave no room.
  absl::StatusOr<std::shared_ptr<ScopeMemory>> Use(const MatrixKey& key);

  // Returns the matrix of `key`. Does not change the order of use. Returns NotFound if there is
  // none, and the errors of ValidateKey.
  absl::StatusOr<std::shared_ptr<ScopeMemory>> Find(const MatrixKey& key) const;

  // Returns a new cold matrix that belongs to no key yet. Its bytes count toward the limit. Returns
  // FailedPrecondition and ResourceExhausted as Use does.
  absl::StatusOr<std::shared_ptr<ScopeMemory>> Allocate();

  // Stores `memory`, which comes from Allocate, under `key` and makes it the most recently used.
  // Sessions that hold the old matrix of `key` continue with the old one. Returns the errors of
  // ValidateKey.
  absl::Status Replace(const MatrixKey& key, std::shared_ptr<ScopeMemory> memory);

  // Lets the pair rows of `memory` grow to `bits` bits (PairMatrix::bits), or less if the limit
  // leaves no room. Drops no matrix for that. `memory` comes from Use or Allocate.
  void GrowTo(int bits, ScopeMemory* memory);

  // Lets the pair rows of `memory` grow if they want to and the limit leaves room.
  void Grow(ScopeMemory* memory);

  // Returns all matrices: first those of kRequest, then the others, the most recently used first.
  std::vector<Entry> List() const;

  // The memory of all matrices, in bytes.
  std::uint64_t bytes() const { return bytes_->load(); }
  const MatrixStoreOptions& options() const { return options_; }

 private:
  using Entries = std::list<Entry>;

  // Sets base_fits_ if the base matrix belongs to `binding`.
  absl::Status CheckBase(const MatrixBinding& binding) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<ScopeMemory>> AllocateLocked()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom(std::uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Doubles the pair rows. Returns false if the limit leaves no room.
  bool GrowOnce(ScopeMemory* memory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void InsertLocked(const MatrixKey& key, std::shared_ptr<ScopeMemory> memory)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const MatrixStoreOptions options_;
  // The memory of all matrices, in bytes. The deleter of each matrix shares this counter and
  // subtracts the bytes of its matrix.
  const std::shared_ptr<std::atomic<std::uint64_t>> bytes_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);

  mutable Mutex mutex_;
  std::optional<MatrixBinding> binding_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<const BaseMatrix> base_ ABSL_GUARDED_BY(mutex_);  // null: none
  BaseMustFit base_must_fit_ ABSL_GUARDED_BY(mutex_) = BaseMustFit::kYes;
  bool base_fits_ ABSL_GUARDED_BY(mutex_) = false;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  std::map<MatrixKey, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
  std::list<std::pair<std::string, std::weak_ptr<ScopeMemory>>> requests_
      ABSL_GUARDED_BY(mutex_);  // matrices of kRequest, with their tenants
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_MATRIX_STORE_H_
