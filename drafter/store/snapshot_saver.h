// A thread that writes snapshots, so that the threads that serve requests never wait for the disk.
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

  // Starts a thread that saves once every `interval`. If `interval` is 0 or less, it saves only
  // after Request. `dir` must outlive this.
  SnapshotSaver(SnapshotDir* dir, absl::Duration interval);

  // Finishes all requests, then stops the thread.
  ~SnapshotSaver();

  SnapshotSaver(const SnapshotSaver&) = delete;
  SnapshotSaver& operator=(const SnapshotSaver&) = delete;

  // Makes the thread save all changed matrices, including every change before this call. Then the
  // thread calls `done` with the result of SnapshotDir::SaveAll. Does not wait. `done` must not
  // block.
  void Request(Done done);

 private:
  void Run();

  SnapshotDir* const dir_;
  const absl::Duration interval_;

  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Done> requests_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // the last member, because Run() uses the others
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SNAPSHOT_SAVER_H_
