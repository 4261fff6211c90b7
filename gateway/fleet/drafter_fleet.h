#ifndef RECYCLING_GATEWAY_FLEET_DRAFTER_FLEET_H_
#define RECYCLING_GATEWAY_FLEET_DRAFTER_FLEET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "gateway/clients/drafter_client.h"
#include "gateway/clients/drafter_directory.h"
#include "gateway/fleet/peer_pool.h"

namespace recycling::gateway {

// The drafters of a gateway. Threads: any. Call Start once.
class DrafterFleet final : public DrafterDirectory {
 public:
  // `per_tenant` drafters, at least 1, share the requests of one tenant. The constructor sets the
  // options of the breaker: a drafter must fail more often than a verifier before it is ejected,
  // because a request asks for many drafts and a late draft costs little. `resolver` and `clock`
  // must outlive this.
  DrafterFleet(PeerPoolOptions options, PeerPool<DrafterClient>::Greet greet, Resolver& resolver,
               const Clock& clock, int per_tenant);

  void Start() { pool_.Start(); }
  // Causes a handshake with every drafter soon, even if none is due.
  void Nudge() { pool_.Nudge(); }

  absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string& tenant,
                                                      MatrixScope scope) override;
  void Report(const std::string& address, const absl::Status& error) override;
  bool Judge(const std::string& address, const absl::Status& answer) override;

  std::uint64_t ejections() const { return pool_.ejections(); }
  std::vector<PeerStatus> Statuses() const { return pool_.Statuses(); }

 private:
  PeerPool<DrafterClient> pool_;
  const int per_tenant_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_DRAFTER_FLEET_H_
