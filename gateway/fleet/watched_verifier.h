// A verifier whose sequences can be told from outside that it is lost, and that they should leave.
#ifndef RECYCLING_GATEWAY_FLEET_WATCHED_VERIFIER_H_
#define RECYCLING_GATEWAY_FLEET_WATCHED_VERIFIER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/clients/verifier_client.h"

namespace recycling::gateway {

class WatchedSession;

// What runs at one address, whichever client it began with. Threads: any.
class VerifierWatch {
 public:
  // Every sequence that runs there ends with Unavailable saying `why`, at once, even if its
  // verifier never answers. Those that begin later are not affected.
  void GiveUp(const absl::Status& why);

  // See VerifierClient::leaving().
  void SetLeaving(bool leaving) { leaving_ = leaving; }
  bool leaving() const { return leaving_; }

  // When a sequence was answered last, Clock::Monotonic(): a sign of life beside handshakes.
  absl::Duration heard() const { return absl::Nanoseconds(heard_nanos_.load()); }

 private:
  friend class WatchedSession;

  std::atomic<bool> leaving_ = false;
  std::atomic<std::int64_t> heard_nanos_ = -1;  // less than any handshake began at
  Mutex mutex_;
  std::set<WatchedSession*> sessions_ ABSL_GUARDED_BY(mutex_);
};

// `inner`, with its sessions under watch. Threads: any.
class WatchedVerifier final : public VerifierClient {
 public:
  // `clock` must outlive this and its sessions.
  WatchedVerifier(std::shared_ptr<VerifierClient> inner, std::shared_ptr<VerifierWatch> watch,
                  const Clock& clock)
      : inner_(std::move(inner)), watch_(std::move(watch)), clock_(clock) {}

  std::unique_ptr<VerifierSession> NewSession(absl::Time deadline,
                                              const CallOrigin& origin) override;
  const VerifierInfo& info() const override { return inner_->info(); }
  const std::string& address() const override { return inner_->address(); }
  bool leaving() const override { return watch_->leaving(); }

 private:
  const std::shared_ptr<VerifierClient> inner_;
  const std::shared_ptr<VerifierWatch> watch_;
  const Clock& clock_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_WATCHED_VERIFIER_H_
