// A drafter's snapshots on disk: one file for each matrix, named after drafter, scope and tenant.
#ifndef RECYCLING_DRAFTER_STORE_SNAPSHOT_DIR_H_
#define RECYCLING_DRAFTER_STORE_SNAPSHOT_DIR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "drafter/store/matrix_store.h"

namespace recycling::drafter {

// "<drafter_id>.shared.rcm" or "<drafter_id>.tenant.<tenant>.rcm", the tenant in URL-safe base64
// without padding. Requires a drafter id of ValidateDrafterId and a key of the store.
std::string SnapshotFileName(const std::string& drafter_id, const MatrixKey& key);

// The inverse; nothing if the name is not a snapshot of this drafter.
std::optional<MatrixKey> ParseSnapshotFileName(const std::string& drafter_id,
                                               const std::string& name);

// InvalidArgument unless it is 1 to 48 of the characters [A-Za-z0-9_-].
absl::Status ValidateDrafterId(const std::string& drafter_id);

// Threads: all methods may be called from any thread.
class SnapshotDir {
 public:
  struct LoadResult {
    int loaded = 0;
    int set_aside = 0;  // corrupt, or of another model
    int left = 0;       // no room, unreadable, no regular file, or a scope that is not allowed
  };

  // `directory` must exist. `store` must outlive this.
  SnapshotDir(std::string directory, std::string drafter_id, MatrixStore* store);

  // Loads every snapshot of this drafter, the last written first, so that it decides the model of a
  // store that has none and stays if there is no room for all. A snapshot that is corrupt or of
  // another model is renamed to NAME.aside (.aside2, ...) and never deleted; one that cannot be
  // loaded for another reason, for example because it is no regular file, is left where it is. Both
  // are logged and are no error. What an interrupted save left (a regular file whose name is that
  // of a snapshot of this drafter and ".tmp") is deleted. Errors only if the directory cannot be
  // read.
  absl::StatusOr<LoadResult> LoadAll();

  // Writes every matrix, of a tenant or shared, that has learnt since it was written or loaded.
  // Tries all of them; returns the first error. Waits for the disk.
  absl::Status SaveAll();

 private:
  struct Saved {
    std::weak_ptr<ScopeMemory> memory;
    std::uint64_t row_updates = 0;
  };

  absl::Status LoadOne(const std::string& path, const MatrixKey& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SaveOne(const MatrixKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string directory_;
  const std::string drafter_id_;
  MatrixStore* const store_;

  Mutex mutex_;  // held during a whole load or save, so that each file has one writer at a time
  std::map<MatrixKey, Saved> saved_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SNAPSHOT_DIR_H_
