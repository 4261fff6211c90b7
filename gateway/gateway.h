// Makes a whole gateway from options. The program recycling-gateway uses it, and so does the
// program that runs all services in one process.
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
#include "common/chat/chat_template.h"
#include "common/rpc/caller_check.h"
#include "common/rpc/peer_streams.h"
#include "gateway/fleet/moving_sequence.h"
#include "gateway/fleet/peer_target.h"
#include "gateway/front/admission.h"
#include "gateway/front/generate_plan.h"
#include "gateway/front/slow_readers.h"
#include "gateway/grpc/peer_channel.h"
#include "gateway/http/http_door.h"

namespace recycling::gateway {

struct GatewayOptions {
  std::vector<PeerTarget> verifiers;  // at least one; see ParsePeerList
  std::vector<PeerTarget> drafters;   // may be empty; then no step has a draft
  // Files that hold peer lists (peer_list_file.h). When the text of a file changes, the gateway
  // replaces its list of peers with the list in the file. If the text is not a valid list, the
  // gateway logs an error and keeps its list. Empty: no file.
  std::string verifiers_file, drafters_file;
  ChannelFactory channel = PeerChannels({});
  // The gateway opens the streams to all verifiers, or to all drafters, with these functions. A
  // program that contains the peer sets them, so that a step needs no gRPC. Other calls, such
  // as handshakes, still use `channel`. Null: the streams use `channel` too.
  OpenDecodeStream decode_streams;
  OpenDraftStream draft_streams;
  // If the handshake with a peer fails, the gateway passes the error to this function, and then
  // uses the error that the function returns. The new error may say more about the cause. The
  // threads that make handshakes call the function. Empty: the gateway uses the first error.
  std::function<absl::Status(const absl::Status& status, const std::string& address)> explain;

  // The number of requests that may run at once, 1 to 4096. Each request has its own thread.
  int max_requests = 64;
  AdmissionOptions admission;                  // max_queue: 0 to 65536
  std::shared_ptr<const CallerCheck> callers;  // null: callers need no key; there is one tenant
  // The limits of tenants whose keys set none. Concurrency 0 to 2^20, rate and burst 0 to 1e6.
  TenantLimits tenant_limits;
  ReaderLimits readers;  // max_outputs: 0 to 2^20
  // The longest wait for one draft, 1 us to 1 h.
  absl::Duration draft_deadline = absl::Milliseconds(20);
  // Used in place of the template of the model file. Null: that one.
  std::shared_ptr<const chat::ChatTemplate> chat_template;
  RequestDefaults defaults;     // for fields that a request leaves out; node_budget: 0 to 2^20
  int drafters_per_tenant = 1;  // 1 to 2^20
  // max_moves: 0 to 1000. patience: 0 to 24 h. The gateway sets room_patience to
  // admission.queue_timeout.
  MoveRules moves;
  absl::Duration handshake_timeout = absl::Seconds(2);

  Resolver* resolver = nullptr;  // null: the resolver of the system
  const Clock* clock = nullptr;  // null: the real clock
};

// Threads: any. The caller destroys this object after it has shut down the server that serves it.
class GatewayServer {
 public:
  virtual ~GatewayServer() = default;

  // The full name of the gRPC service. Health checks ask for this name.
  static const char* full_name();

  // The caller registers this service with a server. The service exists as long as this object.
  virtual grpc::Service* service() = 0;

  // Starts the HTTP door, which serves until the result is destroyed: before this object, and after
  // Drain. Errors as HttpDoor::Start.
  virtual absl::StatusOr<std::unique_ptr<HttpDoor>> StartHttp(HttpDoorOptions options) = 0;

  // Calls `tell` at once: true if a verifier is ready for work, else false. Later, a thread of the
  // gateway calls `tell` again whenever this changes. `tell` replaces the function of an earlier
  // call of OnReady. After OnReady has returned, the gateway no longer calls the earlier function.
  // Null: no function. `tell` must not block and must not call the gateway.
  virtual void OnReady(std::function<void(bool ready)> tell) = 0;

  // Refuses new and waiting requests with Unavailable. The server still takes calls. For `grace`,
  // running requests go on, and clients may read their outputs. Then the gateway ends the requests
  // that still run with Unavailable, and drops unread outputs. Returns when all requests have ended
  // and all outputs are read or dropped, or a few seconds after `grace`. Before this call, the
  // caller sets the health to not serving. The gRPC method Drain refuses requests in the same way;
  // after it, the function of OnReady always gets false.
  virtual void Drain(absl::Duration grace) = 0;

  // Adds the metrics of gateway_metrics.h.
  virtual void AddMetrics(MetricSet* metrics) const = 0;
};

// Makes a gateway, which begins the handshakes with its peers at once. Returns InvalidArgument with
// the name of the option if an option is out of its range. Returns ResourceExhausted if the system
// does not give max_requests threads.
absl::StatusOr<std::unique_ptr<GatewayServer>> CreateGateway(GatewayOptions options);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GATEWAY_H_
