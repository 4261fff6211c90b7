#include "verifier/service/local_decode.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/mutex.h"
#include "verifier/service/decode_session.h"

namespace recycling::verifier {
namespace {

class LocalDecode final : public DecodeStream {
 public:
  LocalDecode(Scheduler& scheduler, const ModelIdentity& model, DrainGate& gate,
              absl::Time deadline, const CallOrigin& origin, const Clock& clock)
      : clock_(clock),
        deadline_(clock.Monotonic() + (deadline - clock.Now())),
        session_(scheduler, model, gate, SequenceLog(origin),
                 [this](const absl::Status& status) { Answered(status); }) {}

  ~LocalDecode() override {
    Close(absl::ZeroDuration());
    WaitDone();
  }

  bool Send(absl::FunctionRef<void(v1::DecodeRequest&)> fill) override {
    {
      MutexLock lock(mutex_);
      if (working_ || closing_ || end_.has_value()) return false;
      working_ = true;
      arrived_ = false;
    }
    fill(request_);
    if (const absl::Status status = session_.Begin(request_, &response_); !status.ok()) {
      Answered(status);
    }
    return true;
  }

  absl::StatusOr<bool> Receive(absl::Duration timeout, v1::DecodeResponse* message) override {
    const absl::Duration until = std::min(clock_.Monotonic() + timeout, deadline_);
    bool late = false;
    {
      MutexLock lock(mutex_);
      while (working_) {
        const absl::Duration left = until - clock_.Monotonic();
        if (left <= absl::ZeroDuration()) break;
        changed_.WaitFor(mutex_, left);
      }
      if (working_ && until < deadline_) return false;
      late = working_;
    }
    if (late) EndAtDeadline();
    MutexLock lock(mutex_);
    if (std::exchange(arrived_, false)) {
      message->Swap(&response_);
      return true;
    }
    if (end_.has_value() && !end_->ok()) return *end_;
    return absl::UnavailableError("the verifier has nothing to answer");
  }

  void Close(absl::Duration) override {
    {
      MutexLock lock(mutex_);
      closing_ = true;
      if (!working_) return;
    }
    session_.Cancel();
  }

  void WaitDone() override {
    MutexLock lock(mutex_);
    AwaitAnswer();
    if (!end_.has_value()) EndWith(absl::OkStatus());
  }

  void Cancel() override { session_.Cancel(); }

 private:
  // Called once for each operation. The waiting thread may destroy this object once it has the
  // lock, so nothing may follow the unlock.
  void Answered(const absl::Status& status) {
    MutexLock lock(mutex_);
    if (status.ok()) {
      arrived_ = true;
    } else {
      EndWith(status);
    }
    working_ = false;
    changed_.NotifyAll();
  }

  void EndAtDeadline() {
    session_.Cancel();
    MutexLock lock(mutex_);
    AwaitAnswer();
    if (!end_.has_value() || !absl::IsCancelled(*end_)) return;  // it ended by itself just before
    end_ = absl::DeadlineExceededError("the deadline of the request has passed");
  }

  // Bounded by one pass, if the session is cancelled.
  void AwaitAnswer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (working_) changed_.Wait(mutex_);
  }

  void EndWith(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    end_ = status;
    session_.End(status);
  }

  const Clock& clock_;
  const absl::Duration deadline_;  // by Clock::Monotonic()
  v1::DecodeRequest request_;      // does not change while working_
  v1::DecodeResponse response_;    // the scheduler's thread fills it while working_

  Mutex mutex_;
  CondVar changed_;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;  // an operation is not answered yet
  bool arrived_ ABSL_GUARDED_BY(mutex_) = false;  // response_ holds a message for Receive
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);  // the session has ended

  DecodeSession session_;  // last: it calls Answered
};

}  // namespace

std::unique_ptr<DecodeStream> OpenLocalDecode(Scheduler& scheduler, const ModelIdentity& model,
                                              DrainGate& gate, absl::Time deadline,
                                              const CallOrigin& origin, const Clock& clock) {
  return std::make_unique<LocalDecode>(scheduler, model, gate, deadline, origin, clock);
}

}  // namespace recycling::verifier
