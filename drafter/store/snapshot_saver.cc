#include "drafter/store/snapshot_saver.h"

#include <utility>

namespace recycling::drafter {

SnapshotSaver::SnapshotSaver(SnapshotDir* dir, absl::Duration interval)
    : dir_(dir),
      interval_(interval > absl::ZeroDuration() ? interval : absl::InfiniteDuration()),
      thread_([this] { Run(); }) {}

SnapshotSaver::~SnapshotSaver() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyOne();
  thread_.join();
}

void SnapshotSaver::Request(Done done) {
  {
    const MutexLock lock(mutex_);
    requests_.push_back(std::move(done));
  }
  wake_.NotifyOne();
}

void SnapshotSaver::Run() {
  while (true) {
    std::vector<Done> requests;
    {
      const MutexLock lock(mutex_);
      bool due = false;
      while (requests_.empty() && !stopping_ && !due) due = !wake_.WaitFor(mutex_, interval_);
      if (requests_.empty() && stopping_) return;
      requests.swap(requests_);
    }
    const absl::Status status = dir_->SaveAll();
    for (const Done& done : requests) done(status);
  }
}

}  // namespace recycling::drafter
