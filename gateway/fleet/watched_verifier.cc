#include "gateway/fleet/watched_verifier.h"

#include <optional>

#include "absl/strings/str_cat.h"

namespace recycling::gateway {

class WatchedSession final : public VerifierSession {
 public:
  WatchedSession(std::unique_ptr<VerifierSession> inner, std::shared_ptr<VerifierWatch> watch,
                 std::string address, const Clock& clock)
      : inner_(std::move(inner)),
        watch_(std::move(watch)),
        address_(std::move(address)),
        clock_(clock) {
    MutexLock lock(watch_->mutex_);
    watch_->sessions_.insert(this);
  }

  ~WatchedSession() override {
    MutexLock lock(watch_->mutex_);
    watch_->sessions_.erase(this);
  }

  absl::StatusOr<SequenceOpened> Open(const OpenSequence& open) override {
    return Hear(inner_->Open(open));
  }
  absl::StatusOr<StepVerified> VerifyWhile(const VerifyStep& step,
                                           absl::FunctionRef<void()> meanwhile) override {
    return Hear(inner_->VerifyWhile(step, meanwhile));
  }
  void Cancel() override { inner_->Cancel(); }

  // Under the lock of the watch, so that this is not destroyed meanwhile.
  void GiveUp(const absl::Status& why) {
    {
      MutexLock lock(mutex_);
      if (!given_up_.has_value()) given_up_ = why;
    }
    inner_->Cancel();
  }

 private:
  template <typename Answer>
  absl::StatusOr<Answer> Hear(absl::StatusOr<Answer> answer) {
    if (answer.ok()) {
      watch_->heard_nanos_ = absl::ToInt64Nanoseconds(clock_.Monotonic());
      return answer;
    }
    MutexLock lock(mutex_);
    if (!given_up_.has_value() || !absl::IsCancelled(answer.status())) return answer;
    return absl::UnavailableError(
        absl::StrCat("verifier ", address_, ": given up: ", given_up_->message()));
  }

  const std::unique_ptr<VerifierSession> inner_;
  const std::shared_ptr<VerifierWatch> watch_;
  const std::string address_;
  const Clock& clock_;
  Mutex mutex_;
  std::optional<absl::Status> given_up_ ABSL_GUARDED_BY(mutex_);
};

void VerifierWatch::GiveUp(const absl::Status& why) {
  MutexLock lock(mutex_);
  for (WatchedSession* session : sessions_) session->GiveUp(why);
}

std::unique_ptr<VerifierSession> WatchedVerifier::NewSession(absl::Time deadline,
                                                             const CallOrigin& origin) {
  return std::make_unique<WatchedSession>(inner_->NewSession(deadline, origin), watch_, address(),
                                          clock_);
}

}  // namespace recycling::gateway
