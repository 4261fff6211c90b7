#ifndef RECYCLING_VERIFIER_SERVICE_RPC_SEQUENCE_H_
#define RECYCLING_VERIFIER_SERVICE_RPC_SEQUENCE_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {

// The sequence of one RPC. Cancel works before, during and after Open. Threads: any thread may call
// Cancel at any time. Only one thread at a time may call the other methods.
class RpcSequence {
 public:
  explicit RpcSequence(Scheduler& scheduler) : scheduler_(scheduler) {}

  // See Scheduler::Open and Sequence::Verify. If these methods return an error, they do not call
  // `done`. Verify requires that Open has succeeded.
  absl::Status Open(SequenceOptions options, OpenDone done) {
    MutexLock lock(mu_);
    ASSIGN_OR_RETURN(sequence_, scheduler_.Open(std::move(options), std::move(done)));
    if (cancelled_) sequence_->Cancel();
    return absl::OkStatus();
  }
  absl::Status Verify(VerifyStep step, StepDone done) {
    MutexLock lock(mu_);
    return sequence_->Verify(std::move(step), std::move(done));
  }

  bool is_open() {
    MutexLock lock(mu_);
    return sequence_ != nullptr;
  }

  void Cancel() {
    MutexLock lock(mu_);
    cancelled_ = true;
    if (sequence_ != nullptr) sequence_->Cancel();
  }

  // Frees the slot. The sequence is then not open.
  void Close() {
    MutexLock lock(mu_);
    sequence_.reset();
  }

 private:
  Scheduler& scheduler_;
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<Sequence> sequence_ ABSL_GUARDED_BY(mu_);
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_RPC_SEQUENCE_H_
