// The thread that writes snapshots, so that no request waits for the disk, except one that asks to.
#ifndef RECYCLING_DRAFTER_STORE_SNAPSHOT_SAVER_H_
#define RECYCLING_DRAFTER_STORE_SNAPSHOT_SAVER_H_

#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "drafter/store/snapshot_dir.h"

namespace recycling::drafter {

// Threads: all methods may be called from any thread.
class SnapshotSaver {
 public:
  using Done = std::function<void(absl::Status)>;

  // Saves every `interval`; 0 or less: only when somebody asks. `dir` must outlive this.
  SnapshotSaver(SnapshotDir* dir, absl::Duration interval);

  // Serves the requests that were made, then stops.
  ~SnapshotSaver();

  SnapshotSaver(const SnapshotSaver&) = delete;
  SnapshotSaver& operator=(const SnapshotSaver&) = delete;

  // Saves all matrices that learnt before this call. Then calls `done`, on the saver's thread, with
  // the result of SnapshotDir::SaveAll. `done` must not block.
  void Request(Done done);

 private:
  void Run();

  SnapshotDir* const dir_;
  const absl::Duration interval_;

  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Done> requests_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // last: runs Run()
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SNAPSHOT_SAVER_H_
