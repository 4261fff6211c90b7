// Composition: everything a gateway is made of, behind one gRPC service. Used by recycling-gateway
// and by the all-in-one program.
#ifndef RECYCLING_GATEWAY_GATEWAY_H_
#define RECYCLING_GATEWAY_GATEWAY_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/metrics.h"
#include "common/rpc/caller_check.h"
#include "gateway/fleet/moving_sequence.h"
#include "gateway/fleet/peer_target.h"
#include "gateway/front/admission.h"
#include "gateway/front/generate_plan.h"
#include "gateway/front/slow_readers.h"
#include "gateway/grpc/peer_channel.h"

namespace recycling::gateway {

struct GatewayOptions {
  std::vector<PeerTarget> verifiers;  // at least one; see ParsePeerList
  std::vector<PeerTarget> drafters;   // may be empty: every step is plain
  // Files whose lists replace these lists whenever their text changes (peer_list_file.h). A text
  // that is wrong is logged and changes nothing. Empty: no file.
  std::string verifiers_file, drafters_file;
  ChannelFactory channel = PeerChannels({});
  // Gets the error of a peer that could not be greeted, and returns one that says more where it
  // can. Called on the threads that greet. Empty: errors stay as they are.
  std::function<absl::Status(const absl::Status& status, const std::string& address)> explain;

  int max_requests = 64;                       // that run at once, 1 to 4096; a thread each
  AdmissionOptions admission;                  // max_queue 0 to 65536
  std::shared_ptr<const CallerCheck> callers;  // null: no keys, one tenant
  TenantLimits tenant_limits;                  // of tenants whose keys give none; 0 or more
  ReaderLimits readers;
  absl::Duration draft_deadline = absl::Milliseconds(20);  // longest wait for one draft, above 0
  RequestDefaults defaults;     // for what a request leaves open; node_budget 0 or more
  int drafters_per_tenant = 1;  // at least 1
  MoveRules moves;              // max_moves to 1000, patience to a day; not room_patience
  absl::Duration handshake_timeout = absl::Seconds(2);

  Resolver* resolver = nullptr;  // null: the system's
  const Clock* clock = nullptr;  // null: the real one
};

// Threads: any. Destroy after the server that serves it is shut down.
class GatewayServer {
 public:
  virtual ~GatewayServer() = default;

  // Name of the service, for health checks.
  static const char* full_name();

  // To be served; lives as long as this.
  virtual grpc::Service* service() = 0;

  // Calls `tell` now with whether a verifier is ready for work, and again at every change, from a
  // thread of the gateway. `tell` replaces the function of the call before, which is not called any
  // more once this returns; null: no function. It must not block and must not call the gateway.
  virtual void OnReady(std::function<void(bool ready)> tell) = 0;

  // Refuses new requests and those that wait with Unavailable; the server still takes calls.
  // Running requests have `grace` to end and to be read; then they end with Unavailable too.
  // Returns when the last one is gone, or a few seconds after the grace. Set the health to not
  // serving before this. A Drain call that comes over gRPC refuses requests in the same way, and
  // from then on the function of OnReady is told false.
  virtual void Drain(absl::Duration grace) = 0;

  // What GetStats says, as metrics.
  virtual void AddMetrics(MetricSet* metrics) const = 0;
};

// Begins to greet the peers at once. InvalidArgument naming the option that is out of its range.
// ResourceExhausted if the system has no thread for each of max_requests.
absl::StatusOr<std::unique_ptr<GatewayServer>> CreateGateway(GatewayOptions options);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GATEWAY_H_
