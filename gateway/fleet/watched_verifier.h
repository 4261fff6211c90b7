// A verifier whose running sequences are watched. Its owner can tell them that the verifier is
// lost, or that they should leave it. A sequence that waits too long for an answer gives the
// verifier up.
#ifndef RECYCLING_GATEWAY_FLEET_WATCHED_VERIFIER_H_
#define RECYCLING_GATEWAY_FLEET_WATCHED_VERIFIER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/clients/verifier_client.h"
#include "gateway/fleet/answer_bound.h"

namespace recycling::gateway {

class WatchedSession;

// The sequences of this gateway at one address. Each handshake makes a new VerifierClient; a watch
// has the sequences of all clients of its address. Times are Clock::Monotonic(). Threads: any.
class VerifierWatch {
 public:
  // The watch gives a sequence up only when this time has passed since the watch first found the
  // answer late. So a gateway that was itself stopped for a while has time to read the answers that
  // have arrived.
  static constexpr absl::Duration kSecondLook = absl::Seconds(1);

  // Ends at once every sequence that runs there, with Unavailable and the message of `why`, even if
  // the verifier never answers. Sequences that begin later are not affected.
  void GiveUp(const absl::Status& why);

  // The verifier has answered a handshake with `info`.
  void Greeted(const VerifierInfo& info);

  // Ends each sequence whose answer takes longer than AnswerBound allows, as GiveUp does.
  // The argument `others` of AnswerBound::Get is the sum of two numbers. The first is the largest
  // number of rows for which this gateway's other calls waited at one time since this call began.
  // The second is this call's rows times the number of sequences of other gateways, because a
  // verifier shares its passes fairly. The caller must call this every few seconds.
  void GiveUpLate(absl::Duration now);

  // See VerifierClient::leaving().
  void SetLeaving(bool leaving) { leaving_ = leaving; }
  bool leaving() const { return leaving_; }

  // When the verifier last answered a sequence. This shows, as a handshake does, that it works.
  absl::Duration heard() const { return absl::Nanoseconds(heard_nanos_.load()); }

 private:
  friend class WatchedSession;

  // A call that waits for its answer.
  struct Waiting {
    absl::Duration since;
    std::uint64_t rows = 0;
    std::uint64_t other_rows = 0;        // of this gateway's other calls, the most so far
    std::optional<absl::Duration> late;  // when it was first found to be late
  };

  void Asked(WatchedSession* session, std::uint64_t rows, absl::Duration now);
  // `costs` are those of the answer; null: there was none.
  void Ended(WatchedSession* session, absl::Duration now, const std::vector<PassCost>* costs);
  void SetCosts(const std::vector<PassCost>& costs) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint64_t OtherRows(const Waiting& call) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<bool> leaving_ = false;
  std::atomic<std::int64_t> heard_nanos_ = -1;  // -1: earlier than any handshake
  Mutex mutex_;
  // Every session, with its call if it waits for an answer.
  std::map<WatchedSession*, std::optional<Waiting>> sessions_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t waiting_rows_ ABSL_GUARDED_BY(mutex_) = 0;  // of all calls that wait
  std::uint64_t elsewhere_ ABSL_GUARDED_BY(mutex_) = 0;     // sequences of other gateways
  AnswerBound bound_ ABSL_GUARDED_BY(mutex_);
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
