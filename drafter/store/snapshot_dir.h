// The snapshots of a drafter on disk. Each matrix has one file, whose name contains drafter, scope
// and tenant.
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

// Returns "<drafter_id>.shared.rcm" or "<drafter_id>.tenant.<tenant>.rcm", with the tenant in
// URL-safe base64 without padding. Requires an id that passes ValidateDrafterId and a key that
// passes MatrixStore::ValidateKey.
std::string SnapshotFileName(const std::string& drafter_id, const MatrixKey& key);

// The inverse of SnapshotFileName. Returns nullopt if `name` is not the name of a snapshot of this
// drafter.
std::optional<MatrixKey> ParseSnapshotFileName(const std::string& drafter_id,
                                               const std::string& name);

// Returns InvalidArgument unless the id is 1 to 48 of the characters [A-Za-z0-9_-].
absl::Status ValidateDrafterId(const std::string& drafter_id);

// Threads: all methods may be called from any thread.
class SnapshotDir {
 public:
  struct LoadResult {
    int loaded = 0;
    // Files that are corrupt, have another format version, or are of another model or k.
    int set_aside = 0;
    // Files that do not fit into the memory limit, cannot be read, are not regular files, or have a
    // scope that is not allowed.
    int left = 0;
  };

  // `directory` must exist. `store` must outlive this.
  SnapshotDir(std::string directory, std::string drafter_id, MatrixStore* store);

  // Loads every snapshot of this drafter, the most recently written first. The first snapshot that
  // can be loaded decides model and k of an unbound store. If a snapshot is corrupt, has another
  // format version, or is of another model or k, LoadAll renames it to NAME.aside (.aside2, ...)
  // and never deletes it. LoadAll does not touch a snapshot that it cannot load for another reason,
  // for example one that does not fit or is not a regular file. It logs both cases and returns no
  // error for them. It deletes the files of interrupted saves: regular files that have the name of
  // a snapshot of this drafter plus ".tmp". Returns an error only if the directory cannot be read.
  absl::StatusOr<LoadResult> LoadAll();

  // Writes every tenant matrix and the shared matrix to the disk, if they changed since they were
  // last saved or loaded. Continues after an error, and returns the first one. Blocks until the
  // files are on disk.
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

  Mutex mutex_;  // locked during a whole load or save, so that each file has one writer at a time
  std::map<MatrixKey, Saved> saved_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SNAPSHOT_DIR_H_
