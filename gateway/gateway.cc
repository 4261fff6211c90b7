#include "gateway/gateway.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "gateway/fleet/peer_list_file.h"
#include "gateway/fleet/peer_pool.h"
#include "gateway/fleet/prefix_routes.h"
#include "gateway/fleet/served_model.h"
#include "gateway/fleet/watched_verifier.h"
#include "gateway/grpc/gateway_metrics.h"
#include "gateway/grpc/gateway_proto.h"
#include "gateway/grpc/gateway_service.h"
#include "gateway/grpc/grpc_drafter_client.h"
#include "gateway/grpc/grpc_verifier_client.h"

namespace recycling::gateway {
namespace {

// Drafts are many and small, and late ones are no lies: more must fail than of verifiers' work.
constexpr BreakerOptions kDrafterBreaker = {.in_a_row = 8, .window = 64, .failure_rate = 0.75};
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

// Waiting for room is waiting for a turn.
MoveRules MoveRulesOf(const GatewayOptions& options) {
  MoveRules rules = options.moves;
  rules.room_patience = options.admission.queue_timeout;
  return rules;
}

absl::Status TakesSequences(const VerifierClient& verifier) {
  return verifier.info().draining ? absl::UnavailableError("it drains") : absl::OkStatus();
}

class Verifiers final : public VerifierDirectory {
 public:
  Verifiers(PeerPoolOptions options, PeerPool<VerifierClient>::Greet greet, Resolver& resolver,
            const Clock& clock)
      : clock_(clock),
        greet_(std::move(greet)),
        pool_(
            Wire(std::move(options)), [this](const std::string& address) { return Greet(address); },
            resolver, clock, TakesSequences) {}

  absl::StatusOr<std::shared_ptr<VerifierClient>> Pick(const VerifierWish& wish) override {
    const Held held = HeldBy(wish);
    auto picked = pool_.PickFrom(
        [&](std::span<const ReadyPeer> ready, std::span<const VerifierClient* const> clients) {
          std::vector<ReadyPeer> peers(ready.begin(), ready.end());
          for (std::size_t i = 0; i < peers.size(); ++i) {
            const VerifierInfo& info = clients[i]->info();
            constexpr std::uint32_t kMost = std::numeric_limits<int>::max() / 2;
            const int open = static_cast<int>(std::min(info.open_sequences, kMost));
            peers[i].elsewhere = std::max(0, open - peers[i].running_at_greeting);
            peers[i].room = static_cast<int>(std::min(info.max_sequences, kMost));
            peers[i].held = TokensHeld(held, *clients[i]);
          }
          return PickVerifier(wish.avoid, peers);
        });
    if (!picked.ok()) {
      return absl::UnavailableError(absl::StrCat("verifiers: ", picked.status().message()));
    }
    if (TokensHeld(held, **picked) > 0) ++prefix_routed_;
    routes_.Record(wish.tenant, wish.prompt, (*picked)->info().page_tokens, (*picked)->address());
    return picked;
  }

  void Report(const std::string& address, const absl::Status& outcome,
              absl::Duration since) override {
    pool_.Report(address, outcome, since);
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

  std::uint64_t prefix_routed() const { return prefix_routed_; }
  std::uint64_t ejections() const { return pool_.ejections(); }

  PeerPool<VerifierClient>& pool() { return pool_; }

 private:
  // By the size of a page, which is nearly always the same for all verifiers, and by address: how
  // many tokens of a prompt a verifier may hold.
  using Held = std::map<std::uint32_t, std::map<std::string, std::uint32_t>>;

  Held HeldBy(const VerifierWish& wish) {
    Held held;
    pool_.ForEachReady([&](const VerifierClient& client) { held[client.info().page_tokens]; });
    for (auto& [page_tokens, tokens] : held) {
      tokens = routes_.Held(wish.tenant, wish.prompt, page_tokens);
    }
    return held;
  }

  static std::uint32_t TokensHeld(const Held& held, const VerifierClient& verifier) {
    const auto of_page = held.find(verifier.info().page_tokens);
    if (of_page == held.end()) return 0;
    const auto found = of_page->second.find(verifier.address());
    return found == of_page->second.end() ? 0 : found->second;
  }

  PeerPoolOptions Wire(PeerPoolOptions options) {
    options.heard = [this](const std::string& address) { return Watch(address)->heard(); };
    options.on_lost = [this](const std::string& address, const absl::Status& error) {
      Watch(address)->GiveUp(error);
      routes_.Forget(address);
    };
    options.on_removed = [this](const std::string& address) {
      Watch(address)->SetLeaving(true);
      MutexLock lock(mutex_);
      watches_.erase(address);  // its sequences keep it
    };
    options.on_change = [this] { Wake(); };
    options.use_ejected = true;
    return options;
  }

  absl::StatusOr<std::shared_ptr<VerifierClient>> Greet(const std::string& address) {
    ASSIGN_OR_RETURN(auto client, greet_(address));
    auto watch = Watch(address);
    watch->SetLeaving(client->info().draining);
    return std::make_shared<WatchedVerifier>(std::move(client), std::move(watch), clock_);
  }

  std::shared_ptr<VerifierWatch> Watch(const std::string& address) {
    MutexLock lock(mutex_);
    auto& watch = watches_[address];
    if (watch == nullptr) watch = std::make_shared<VerifierWatch>();
    return watch;
  }

  const Clock& clock_;
  const PeerPool<VerifierClient>::Greet greet_;
  PrefixRoutes routes_;
  std::atomic<std::uint64_t> prefix_routed_ = 0;
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, std::shared_ptr<VerifierWatch>> watches_ ABSL_GUARDED_BY(mutex_);
  PeerPool<VerifierClient> pool_;  // last: its thread uses everything above
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

  bool Judge(const std::string& address, const absl::Status& answer) override {
    return pool_.Judge(address, answer);
  }

  std::uint64_t ejections() const { return pool_.ejections(); }

  PeerPool<DrafterClient>& pool() { return pool_; }

 private:
  PeerPool<DrafterClient> pool_;
  const int per_tenant_;
};

// The peers of a list in a file that is read again; none without a file.
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
        drafters_(
            {.targets = options_.drafters,
             .poll_targets = Follow(options_.drafters_file, 0),
             .breaker = kDrafterBreaker},
            [this](const std::string& address) { return GreetDrafter(address); }, resolver_, clock_,
            options_.drafters_per_tenant),
        verifiers_(
            {.targets = options_.verifiers,
             .on_ready = [this](bool ready) { VerifiersChanged(ready); },
             .poll_targets = Follow(options_.verifiers_file, 1)},
            [this](const std::string& address) { return GreetVerifier(address); }, resolver_,
            clock_),
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
    drafters_.pool().Start();
    verifiers_.pool().Start();
  }

  grpc::Service* service() override { return &service_; }

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
    response->set_prefix_routed(verifiers_.prefix_routed());
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
