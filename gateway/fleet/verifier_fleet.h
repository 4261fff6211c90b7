#ifndef RECYCLING_GATEWAY_FLEET_VERIFIER_FLEET_H_
#define RECYCLING_GATEWAY_FLEET_VERIFIER_FLEET_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/clients/verifier_client.h"
#include "gateway/clients/verifier_directory.h"
#include "gateway/fleet/peer_pool.h"
#include "gateway/fleet/prefix_routes.h"
#include "gateway/fleet/watched_verifier.h"

namespace recycling::gateway {

// The verifiers of a gateway. There is a pool of them, a watch over the sequences at each of them
// (watched_verifier.h), and a record of the prompts that each of them got (prefix_routes.h).
// Threads: any. Call Start once.
class VerifierFleet final : public VerifierDirectory {
 public:
  // The constructor sets all functions of `options` except on_ready, poll_targets and run.
  // `resolver` and `clock` must outlive this and every client that Pick returns.
  VerifierFleet(PeerPoolOptions options, PeerPool<VerifierClient>::Greet greet, Resolver& resolver,
                const Clock& clock);

  void Start() { pool_.Start(); }

  absl::StatusOr<std::shared_ptr<VerifierClient>> Pick(const VerifierWish& wish) override;
  void Report(const std::string& address, const absl::Status& outcome,
              absl::Duration since) override;
  void Await(absl::Duration at_most, const std::atomic<bool>& stop) override;
  void Wake() override;

  // Sequences that all ready verifiers together can hold.
  int Room() const;

  // Picks that chose a verifier because it may hold the beginning of the prompt.
  std::uint64_t prefix_routed() const { return prefix_routed_; }
  std::uint64_t ejections() const { return pool_.ejections(); }
  std::vector<PeerStatus> Statuses() const;

 private:
  // The number of tokens of a prompt that a verifier may hold. The first key is the verifier's page
  // size, which is nearly always the same for all verifiers. The second key is its address.
  using Held = std::map<std::uint32_t, std::map<std::string, std::uint32_t>>;

  Held HeldBy(const VerifierWish& wish);
  static std::uint32_t TokensHeld(const Held& held, const VerifierClient& verifier);
  PeerPoolOptions Wire(PeerPoolOptions options);
  absl::StatusOr<std::shared_ptr<VerifierClient>> Greet(const std::string& address);
  std::shared_ptr<VerifierWatch> Watch(const std::string& address);
  void Tick();

  const Clock& clock_;
  const PeerPool<VerifierClient>::Greet greet_;
  PrefixRoutes routes_;
  std::atomic<std::uint64_t> prefix_routed_ = 0;
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, std::shared_ptr<VerifierWatch>> watches_ ABSL_GUARDED_BY(mutex_);
  PeerPool<VerifierClient> pool_;  // last: its threads use everything above
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_VERIFIER_FLEET_H_
