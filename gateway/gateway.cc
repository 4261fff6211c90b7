#include "gateway/gateway.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "gateway/gateway_proto.h"
#include "gateway/gateway_service.h"
#include "gateway/grpc_drafter_client.h"
#include "gateway/grpc_verifier_client.h"
#include "gateway/peer_pool.h"
#include "gateway/served_model.h"

namespace recycling::gateway {
namespace {

constexpr absl::Duration kTokenizerTimeout = absl::Seconds(30);

// One channel an address as long as somebody uses it. Threads: any.
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

class Verifiers final : public VerifierDirectory {
 public:
  Verifiers(PeerPoolOptions options, PeerPool<VerifierClient>::Greet greet, Resolver& resolver,
            const Clock& clock)
      : pool_(std::move(options), std::move(greet), resolver, clock) {}

  absl::StatusOr<std::shared_ptr<VerifierClient>> Pick(const VerifierWish& wish) override {
    auto picked = pool_.Pick(
        [&wish](std::span<const ReadyPeer> peers) { return LeastLoadedBut(wish.avoid, peers); });
    if (picked.ok()) return picked;
    return absl::UnavailableError(absl::StrCat("verifiers: ", picked.status().message()));
  }

  void Report(const std::string& address, const absl::Status& outcome, absl::Duration) override {
    if (!outcome.ok()) pool_.Report(address, outcome);
  }

  void Await(absl::Duration at_most, const std::atomic<bool>& stop) override {
    MutexLock lock(mutex_);
    if (!stop) changed_.WaitFor(mutex_, at_most);
  }

  void Wake() override {
    MutexLock lock(mutex_);
    changed_.NotifyAll();
  }

  // Sequences that all ready verifiers together can hold.
  int Room() const {
    std::int64_t room = 0;
    pool_.ForEachReady([&](const VerifierClient& client) { room += client.info().max_sequences; });
    return static_cast<int>(std::min<std::int64_t>(room, std::numeric_limits<int>::max()));
  }

  PeerPool<VerifierClient>& pool() { return pool_; }

 private:
  Mutex mutex_;
  CondVar changed_;
  PeerPool<VerifierClient> pool_;
};

class Drafters final : public DrafterDirectory {
 public:
  Drafters(PeerPoolOptions options, PeerPool<DrafterClient>::Greet greet, Resolver& resolver,
           const Clock& clock, int per_tenant)
      : pool_(std::move(options), std::move(greet), resolver, clock), per_tenant_(per_tenant) {}

  absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string& tenant) override {
    return pool_.Pick(
        [&](std::span<const ReadyPeer> peers) { return PickByKey(tenant, peers, per_tenant_); });
  }

  void Report(const std::string& address, const absl::Status& error) override {
    pool_.Report(address, error);
  }

  PeerPool<DrafterClient>& pool() { return pool_; }

 private:
  PeerPool<DrafterClient> pool_;
  const int per_tenant_;
};

class GatewayServerImpl final : public GatewayServer {
 public:
  GatewayServerImpl(GatewayOptions options, std::unique_ptr<WorkerPool> workers)
      : options_(std::move(options)),
        resolver_(options_.resolver == nullptr ? SystemResolver() : *options_.resolver),
        clock_(options_.clock == nullptr ? RealClock() : *options_.clock),
        channels_(options_.channel),
        drafters_(
            {.targets = options_.drafters, .on_ready = nullptr},
            [this](const std::string& address) { return GreetDrafter(address); }, resolver_, clock_,
            options_.drafters_per_tenant),
        verifiers_(
            {.targets = options_.verifiers,
             .on_ready = [this](bool ready) { VerifiersChanged(ready); }},
            [this](const std::string& address) { return GreetVerifier(address); }, resolver_,
            clock_),
        service_({.max_requests = options_.max_requests,
                  .draft_deadline = options_.draft_deadline,
                  .defaults = options_.defaults,
                  .admission = options_.admission,
                  .callers = options_.callers,
                  .tenant_limits = options_.tenant_limits,
                  .readers = options_.readers,
                  .capacity = [this] { return verifiers_.Room(); },
                  .on_drain = [this] { StartDraining(); },
                  .moves = options_.moves,
                  .add_peers = [this](v1::GetStatsResponse* response) { AddPeers(response); }},
                 std::move(workers), model_, verifiers_, drafters_, clock_) {
    drafters_.pool().Start();
    verifiers_.pool().Start();
  }

  grpc::Service* service() override { return &service_; }

  void OnReady(std::function<void(bool)> tell) override {
    MutexLock lock(ready_mutex_);
    tell_ = std::move(tell);
    if (tell_) tell_(ready_ && !draining_);
  }

  void Drain(absl::Duration grace) override { service_.Drain(grace); }

  void AddMetrics(MetricSet* metrics) const override { service_.AddMetrics(metrics); }

 private:
  absl::StatusOr<std::shared_ptr<VerifierClient>> GreetVerifier(const std::string& address) {
    ASSIGN_OR_RETURN(const auto client, GrpcVerifierClient::Connect(channels_.Get(address), address,
                                                                    options_.handshake_timeout));
    RETURN_IF_ERROR(model_.Admit(client->info(),
                                 [&client] { return client->FetchTokenizer(kTokenizerTimeout); }));
    return client;
  }

  absl::StatusOr<std::shared_ptr<DrafterClient>> GreetDrafter(const std::string& address) {
    const auto model = model_.Get();
    if (model == nullptr) return absl::UnavailableError("no verifier has been ready yet");
    return GrpcDrafterClient::Connect(channels_.Get(address), address, model->info.model,
                                      model->info.k, options_.handshake_timeout);
  }

  void VerifiersChanged(bool ready) {
    Log(ready ? LogLevel::kInfo : LogLevel::kWarning,
        ready ? "a verifier is ready" : "no verifier is ready");
    if (ready) drafters_.pool().Nudge();
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
    for (const PeerStatus& peer : verifiers_.pool().Statuses()) {
      PeerToProto(peer, v1::PEER_ROLE_VERIFIER, response->add_peers());
    }
    for (const PeerStatus& peer : drafters_.pool().Statuses()) {
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
  Drafters drafters_;
  Verifiers verifiers_;  // its thread nudges the drafters
  GatewayService service_;
};

absl::Status CheckRange(absl::string_view name, std::int64_t value, std::int64_t low,
                        std::int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": got ", value, ", expected ", low, " to ", high));
}

absl::Status CheckRate(absl::string_view name, double value) {
  if (value >= 0 && value <= 1e6) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": got ", value, ", expected 0 to 1000000"));
}

absl::Status CheckPositive(absl::string_view name, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": got ", absl::FormatDuration(value), ", expected more than 0"));
}

}  // namespace

const char* GatewayServer::full_name() { return v1::GatewayService::service_full_name(); }

absl::StatusOr<std::unique_ptr<GatewayServer>> CreateGateway(GatewayOptions options) {
  if (options.verifiers.empty()) {
    return absl::InvalidArgumentError("verifiers: got none, expected at least one");
  }
  RETURN_IF_ERROR(CheckRange("max_requests", options.max_requests, 1, 4096));
  const TenantLimits& tenant = options.tenant_limits;
  RETURN_IF_ERROR(CheckRange("tenant_concurrency", tenant.concurrency, 0, 1 << 20));
  RETURN_IF_ERROR(CheckRate("tenant_rate", tenant.rate));
  RETURN_IF_ERROR(CheckRate("tenant_burst", tenant.burst));
  RETURN_IF_ERROR(CheckRange("max_queue", options.admission.max_queue, 0, 1 << 16));
  RETURN_IF_ERROR(CheckPositive("queue_timeout", options.admission.queue_timeout));
  RETURN_IF_ERROR(CheckPositive("slow_reader_timeout", options.readers.timeout));
  RETURN_IF_ERROR(CheckRange("max_unread_outputs", options.readers.max_outputs, 0, 1 << 20));
  RETURN_IF_ERROR(CheckRange("draft_deadline in microseconds",
                             absl::ToInt64Microseconds(options.draft_deadline), 1,
                             absl::ToInt64Microseconds(absl::Hours(1))));
  RETURN_IF_ERROR(CheckRange("node_budget", options.defaults.node_budget, 0, 1 << 20));
  RETURN_IF_ERROR(CheckRange("drafters_per_tenant", options.drafters_per_tenant, 1, 1 << 20));
  RETURN_IF_ERROR(CheckRange("max_moves", options.moves.max_moves, 0, 1000));
  RETURN_IF_ERROR(CheckRange("failover_timeout in milliseconds",
                             absl::ToInt64Milliseconds(options.moves.patience), 0,
                             absl::ToInt64Milliseconds(absl::Hours(24))));
  ASSIGN_OR_RETURN(auto workers, WorkerPool::Create(options.max_requests));
  return std::make_unique<GatewayServerImpl>(std::move(options), std::move(workers));
}

}  // namespace recycling::gateway
