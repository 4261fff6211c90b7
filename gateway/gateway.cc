#include "gateway/gateway.h"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "gateway/fleet/drafter_fleet.h"
#include "gateway/fleet/peer_list_file.h"
#include "gateway/fleet/served_model.h"
#include "gateway/fleet/verifier_fleet.h"
#include "gateway/grpc/gateway_metrics.h"
#include "gateway/grpc/gateway_proto.h"
#include "gateway/grpc/gateway_service.h"
#include "gateway/grpc/grpc_drafter_client.h"
#include "gateway/grpc/grpc_verifier_client.h"

namespace recycling::gateway {
namespace {

constexpr absl::Duration kTokenizerTimeout = absl::Seconds(30);

// Keeps one channel for each address that is in use. Threads: any.
class Channels {
 public:
  explicit Channels(ChannelFactory factory) : factory_(std::move(factory)) {}

  std::shared_ptr<grpc::Channel> Get(const std::string& address) {
    MutexLock lock(mutex_);
    std::erase_if(channels_, [](const auto& entry) { return entry.second.expired(); });
    if (const auto found = channels_.find(address); found != channels_.end()) {
      if (auto channel = found->second.lock(); channel != nullptr) return channel;
    }
    auto channel = factory_(address);
    channels_[address] = channel;
    return channel;
  }

 private:
  const ChannelFactory factory_;
  Mutex mutex_;
  std::map<std::string, std::weak_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mutex_);
};

// A new request waits for room at a verifier at most as long as it may wait in the queue.
MoveRules MoveRulesOf(const GatewayOptions& options) {
  MoveRules rules = options.moves;
  rules.room_patience = options.admission.queue_timeout;
  return rules;
}

// Returns a function that reads the peer list file at `path` (PeerListFile::Poll). Returns null if
// `path` is empty.
std::function<std::optional<std::vector<PeerTarget>>()> Follow(const std::string& path,
                                                               std::size_t at_least) {
  if (path.empty()) return nullptr;
  return [file = std::make_shared<PeerListFile>(path, at_least)] { return file->Poll(); };
}

class GatewayServerImpl final : public GatewayServer {
 public:
  GatewayServerImpl(GatewayOptions options, std::unique_ptr<WorkerPool> workers)
      : options_(std::move(options)),
        resolver_(options_.resolver == nullptr ? SystemResolver() : *options_.resolver),
        clock_(options_.clock == nullptr ? RealClock() : *options_.clock),
        channels_(options_.channel),
        model_(options_.chat_template),
        drafters_(
            {.targets = options_.drafters, .poll_targets = Follow(options_.drafters_file, 0)},
            [this](const std::string& address) {
              return Explained(GreetDrafter(address), address);
            },
            resolver_, clock_, options_.drafters_per_tenant),
        verifiers_(
            {.targets = options_.verifiers,
             .on_ready = [this](bool ready) { VerifiersChanged(ready); },
             .poll_targets = Follow(options_.verifiers_file, 1)},
            [this](const std::string& address) {
              return Explained(GreetVerifier(address), address);
            },
            resolver_, clock_),
        runner_({.max_requests = options_.max_requests,
                 .draft_deadline = options_.draft_deadline,
                 .defaults = options_.defaults,
                 .admission = options_.admission,
                 .tenant_limits = options_.tenant_limits,
                 .readers = options_.readers,
                 .capacity = [this] { return verifiers_.Room(); },
                 .moves = MoveRulesOf(options_)},
                std::move(workers), model_, verifiers_, drafters_, clock_),
        service_({.callers = options_.callers,
                  .on_drain = [this] { StartDraining(); },
                  .add_peers = [this](v1::GetStatsResponse* response) { AddPeers(response); }},
                 runner_, clock_) {
    drafters_.Start();
    verifiers_.Start();
  }

  grpc::Service* service() override { return &service_; }

  absl::StatusOr<std::unique_ptr<HttpDoor>> StartHttp(HttpDoorOptions options) override {
    return HttpDoor::Start(
        std::move(options), options_.callers,
        [this] {
          MutexLock lock(ready_mutex_);
          return ready_ && !draining_;
        },
        runner_, clock_);
  }

  void OnReady(std::function<void(bool)> tell) override {
    MutexLock lock(ready_mutex_);
    tell_ = std::move(tell);
    if (tell_) tell_(ready_ && !draining_);
  }

  void Drain(absl::Duration grace) override { runner_.DrainWithin(grace); }

  void AddMetrics(MetricSet* metrics) const override {
    service_.AddMetrics(metrics);
    AddEjections(verifiers_.ejections(), drafters_.ejections(), metrics);
  }

 private:
  absl::StatusOr<std::shared_ptr<VerifierClient>> GreetVerifier(const std::string& address) {
    ASSIGN_OR_RETURN(const auto client, GrpcVerifierClient::Connect(channels_.Get(address), address,
                                                                    options_.handshake_timeout,
                                                                    options_.decode_streams));
    RETURN_IF_ERROR(model_.Admit(client->info(),
                                 [&client] { return client->FetchTokenizer(kTokenizerTimeout); }));
    return client;
  }

  absl::StatusOr<std::shared_ptr<DrafterClient>> GreetDrafter(const std::string& address) {
    const auto model = model_.Get();
    if (model == nullptr) return absl::UnavailableError("no verifier has been ready yet");
    return GrpcDrafterClient::Connect(channels_.Get(address), address, model->info.model,
                                      model->info.k, options_.handshake_timeout, clock_,
                                      options_.draft_streams);
  }

  template <typename Client>
  absl::StatusOr<std::shared_ptr<Client>> Explained(absl::StatusOr<std::shared_ptr<Client>> greeted,
                                                    const std::string& address) const {
    if (greeted.ok() || !options_.explain) return greeted;
    return options_.explain(greeted.status(), address);
  }

  void VerifiersChanged(bool ready) {
    if (ready) drafters_.Nudge();  // a handshake with a drafter needs the model of a verifier
    MutexLock lock(ready_mutex_);
    ready_ = ready;
    if (tell_) tell_(ready_ && !draining_);
  }

  void StartDraining() {
    Log(LogLevel::kInfo, "draining");
    MutexLock lock(ready_mutex_);
    draining_ = true;
    if (tell_) tell_(false);
  }

  void AddPeers(v1::GetStatsResponse* response) {
    response->set_prefix_routed(verifiers_.prefix_routed());
    for (const PeerStatus& peer : verifiers_.Statuses()) {
      PeerToProto(peer, v1::PEER_ROLE_VERIFIER, response->add_peers());
    }
    for (const PeerStatus& peer : drafters_.Statuses()) {
      PeerToProto(peer, v1::PEER_ROLE_DRAFTER, response->add_peers());
    }
  }

  const GatewayOptions options_;
  Resolver& resolver_;
  const Clock& clock_;
  Channels channels_;
  ModelReference model_;
  Mutex ready_mutex_;
  bool ready_ ABSL_GUARDED_BY(ready_mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(ready_mutex_) = false;
  std::function<void(bool)> tell_ ABSL_GUARDED_BY(ready_mutex_);
  DrafterFleet drafters_;
  VerifierFleet verifiers_;  // after drafters_, because its thread calls drafters_.Nudge
  RequestRunner runner_;
  GatewayService service_;
};

absl::Status CheckOptions(const GatewayOptions& options) {
  if (options.verifiers.empty()) {
    return absl::InvalidArgumentError("verifiers: got none, expected at least one");
  }
  constexpr absl::Duration kLeast = absl::Nanoseconds(1);
  const TenantLimits& tenant = options.tenant_limits;
  for (const absl::Status& status : {
           CheckRange("max_requests", options.max_requests, 1, 4096),
           CheckRange("tenant_limits: concurrency", tenant.concurrency, 0, 1 << 20),
           CheckRange("tenant_limits: rate", tenant.rate, 0, 1e6),
           CheckRange("tenant_limits: burst", tenant.burst, 0, 1e6),
           CheckRange("max_queue", options.admission.max_queue, 0, 1 << 16),
           CheckRange("queue_timeout", options.admission.queue_timeout, kLeast),
           CheckRange("slow_reader_timeout", options.readers.timeout, kLeast),
           CheckRange("max_unread_outputs", options.readers.max_outputs, 0, 1 << 20),
           CheckRange("draft_deadline", options.draft_deadline, absl::Microseconds(1),
                      absl::Hours(1)),
           CheckRange("node_budget", options.defaults.node_budget, 0, 1 << 20),
           CheckRange("drafters_per_tenant", options.drafters_per_tenant, 1, 1 << 20),
           CheckRange("max_moves", options.moves.max_moves, 0, 1000),
           CheckRange("failover_timeout", options.moves.patience, absl::ZeroDuration(),
                      absl::Hours(24)),
       }) {
    RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

}  // namespace

const char* GatewayServer::full_name() { return v1::GatewayService::service_full_name(); }

absl::StatusOr<std::unique_ptr<GatewayServer>> CreateGateway(GatewayOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(auto workers, WorkerPool::Create(options.max_requests));
  return std::make_unique<GatewayServerImpl>(std::move(options), std::move(workers));
}

}  // namespace recycling::gateway
