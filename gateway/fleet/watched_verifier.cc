#include "gateway/fleet/watched_verifier.h"

#include <algorithm>
#include <vector>

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
    watch_->sessions_.emplace(this, std::nullopt);
  }

  ~WatchedSession() override {
    MutexLock lock(watch_->mutex_);
    watch_->sessions_.erase(this);
  }

  absl::StatusOr<SequenceOpened> Open(const OpenSequence& open) override {
    watch_->Asked(this, open.prompt_ids.size() + open.generated_ids.size(), clock_.Monotonic());
    return Hear(inner_->Open(open));
  }
  absl::StatusOr<StepVerified> VerifyWhile(const VerifyStep& step,
                                           absl::FunctionRef<void()> meanwhile) override {
    const int rows = step.tree.has_value() ? step.tree->size() : 1;
    watch_->Asked(this, static_cast<std::uint64_t>(rows), clock_.Monotonic());
    return Hear(inner_->VerifyWhile(step, meanwhile));
  }
  void Cancel() override { inner_->Cancel(); }

  // The caller must hold the lock of the watch. The lock keeps this object from being destroyed.
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
    watch_->Ended(this, clock_.Monotonic(), answer.ok() ? &answer->pass_costs : nullptr);
    if (answer.ok()) return answer;
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
  for (const auto& [session, call] : sessions_) session->GiveUp(why);
}

void VerifierWatch::Greeted(const VerifierInfo& info) {
  MutexLock lock(mutex_);
  SetCosts(info.pass_costs);
  const std::uint64_t open = info.open_sequences;
  elsewhere_ = open - std::min<std::uint64_t>(open, sessions_.size());
}

void VerifierWatch::SetCosts(const std::vector<PassCost>& costs) {
  if (!costs.empty()) bound_.SetFullPass(costs.back().rows, costs.back().duration);
}

void VerifierWatch::Asked(WatchedSession* session, std::uint64_t rows, absl::Duration now) {
  MutexLock lock(mutex_);
  sessions_[session] = Waiting{.since = now, .rows = rows, .other_rows = waiting_rows_};
  waiting_rows_ += rows;
}

void VerifierWatch::Ended(WatchedSession* session, absl::Duration now,
                          const std::vector<PassCost>* costs) {
  MutexLock lock(mutex_);
  std::optional<Waiting>& call = sessions_[session];
  waiting_rows_ -= call->rows;
  if (costs != nullptr) {
    heard_nanos_ = absl::ToInt64Nanoseconds(now);
    bound_.Answered(call->rows, OtherRows(*call), now - call->since);
    SetCosts(*costs);
  }
  call.reset();
}

std::uint64_t VerifierWatch::OtherRows(const Waiting& call) const {
  return call.other_rows + elsewhere_ * call.rows;
}

void VerifierWatch::GiveUpLate(absl::Duration now) {
  MutexLock lock(mutex_);
  for (auto& [session, call] : sessions_) {
    if (!call.has_value()) continue;
    call->other_rows = std::max(call->other_rows, waiting_rows_ - call->rows);
    const absl::Duration waited = now - call->since;
    const absl::Duration bound = bound_.Get(call->rows, OtherRows(*call));
    if (waited <= bound) {
      call->late.reset();
    } else if (!call->late.has_value()) {
      call->late = now;
    } else if (now - *call->late >= kSecondLook) {
      const auto text = [](absl::Duration time) {
        return absl::FormatDuration(absl::Trunc(time, absl::Milliseconds(100)));
      };
      session->GiveUp(absl::UnavailableError(
          absl::StrCat("no answer for ", text(waited), ", expected one within ", text(bound))));
    }
  }
}

std::unique_ptr<VerifierSession> WatchedVerifier::NewSession(absl::Time deadline,
                                                             const CallOrigin& origin) {
  return std::make_unique<WatchedSession>(inner_->NewSession(deadline, origin), watch_, address(),
                                          clock_);
}

}  // namespace recycling::gateway
