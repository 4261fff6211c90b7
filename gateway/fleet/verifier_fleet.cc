#include "gateway/fleet/verifier_fleet.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "gateway/fleet/selection.h"

namespace recycling::gateway {
namespace {

absl::Status TakesSequences(const VerifierClient& verifier) {
  return verifier.info().draining ? absl::UnavailableError("the verifier drains")
                                  : absl::OkStatus();
}

}  // namespace

VerifierFleet::VerifierFleet(PeerPoolOptions options, PeerPool<VerifierClient>::Greet greet,
                             Resolver& resolver, const Clock& clock)
    : clock_(clock),
      greet_(std::move(greet)),
      pool_(
          Wire(std::move(options)), [this](const std::string& address) { return Greet(address); },
          resolver, clock, TakesSequences) {}

PeerPoolOptions VerifierFleet::Wire(PeerPoolOptions options) {
  options.role = PeerRole::kVerifier;
  options.heard = [this](const std::string& address) { return Watch(address)->heard(); };
  options.on_lost = [this](const std::string& address, const absl::Status& error) {
    Watch(address)->GiveUp(error);
    routes_.Forget(address);
  };
  options.on_removed = [this](const std::string& address) {
    Watch(address)->SetLeaving(true);
    MutexLock lock(mutex_);
    watches_.erase(address);  // running sequences still have it
  };
  options.on_change = [this] { Wake(); };
  options.on_tick = [this] { Tick(); };
  options.table.use_ejected = true;
  return options;
}

absl::StatusOr<std::shared_ptr<VerifierClient>> VerifierFleet::Greet(const std::string& address) {
  ASSIGN_OR_RETURN(auto client, greet_(address));
  auto watch = Watch(address);
  watch->SetLeaving(client->info().draining);
  watch->Greeted(client->info());
  return std::make_shared<WatchedVerifier>(std::move(client), std::move(watch), clock_);
}

void VerifierFleet::Tick() {
  std::vector<std::shared_ptr<VerifierWatch>> watches;
  {
    MutexLock lock(mutex_);
    // If only the map has the watch, its peer is not ready or was removed during a handshake.
    std::erase_if(watches_, [](const auto& entry) { return entry.second.use_count() == 1; });
    for (const auto& [address, watch] : watches_) watches.push_back(watch);
  }
  for (const auto& watch : watches) watch->GiveUpLate(clock_.Monotonic());
}

std::shared_ptr<VerifierWatch> VerifierFleet::Watch(const std::string& address) {
  MutexLock lock(mutex_);
  auto& watch = watches_[address];
  if (watch == nullptr) watch = std::make_shared<VerifierWatch>();
  return watch;
}

absl::StatusOr<std::shared_ptr<VerifierClient>> VerifierFleet::Pick(const VerifierWish& wish) {
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

VerifierFleet::Held VerifierFleet::HeldBy(const VerifierWish& wish) {
  Held held;
  pool_.ForEachReady([&](const VerifierClient& client) { held[client.info().page_tokens]; });
  for (auto& [page_tokens, tokens] : held) {
    tokens = routes_.Held(wish.tenant, wish.prompt, page_tokens);
  }
  return held;
}

std::uint32_t VerifierFleet::TokensHeld(const Held& held, const VerifierClient& verifier) {
  const auto of_page = held.find(verifier.info().page_tokens);
  if (of_page == held.end()) return 0;
  const auto found = of_page->second.find(verifier.address());
  return found == of_page->second.end() ? 0 : found->second;
}

void VerifierFleet::Report(const std::string& address, const absl::Status& outcome,
                           absl::Duration since) {
  pool_.Report(address, outcome, since);
}

void VerifierFleet::Await(absl::Duration at_most, const std::atomic<bool>& stop) {
  MutexLock lock(mutex_);
  if (!stop) changed_.WaitFor(mutex_, at_most);
}

void VerifierFleet::Wake() {
  MutexLock lock(mutex_);
  changed_.NotifyAll();
}

std::vector<PeerStatus> VerifierFleet::Statuses() const {
  std::map<std::string, std::string> kernels;  // by address
  pool_.ForEachReady([&kernels](const VerifierClient& verifier) {
    kernels[verifier.address()] = verifier.info().kernel;
  });
  std::vector<PeerStatus> statuses = pool_.Statuses();
  for (PeerStatus& peer : statuses) {
    if (peer.ready) peer.kernel = kernels[peer.address];
  }
  return statuses;
}

int VerifierFleet::Room() const {
  std::int64_t room = 0;
  pool_.ForEachReady([&](const VerifierClient& client) { room += client.info().max_sequences; });
  return static_cast<int>(std::min<std::int64_t>(room, std::numeric_limits<int>::max()));
}

}  // namespace recycling::gateway
