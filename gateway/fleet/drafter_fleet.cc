#include "gateway/fleet/drafter_fleet.h"

#include <optional>
#include <span>
#include <utility>

#include "gateway/fleet/selection.h"

namespace recycling::gateway {
namespace {

PeerPoolOptions ForDrafters(PeerPoolOptions options) {
  options.role = PeerRole::kDrafter;
  options.table.breaker = {.in_a_row = 8, .window = 64, .failure_rate = 0.75};
  return options;
}

}  // namespace

DrafterFleet::DrafterFleet(PeerPoolOptions options, PeerPool<DrafterClient>::Greet greet,
                           Resolver& resolver, const Clock& clock, int per_tenant)
    : pool_(ForDrafters(std::move(options)), std::move(greet), resolver, clock),
      per_tenant_(per_tenant) {}

absl::StatusOr<std::shared_ptr<DrafterClient>> DrafterFleet::Pick(const std::string& tenant,
                                                                  MatrixScope scope) {
  bool refuses_scope = false;
  auto picked = pool_.PickFrom(
      [&](std::span<const ReadyPeer> ready,
          std::span<const DrafterClient* const> clients) -> std::optional<std::size_t> {
        std::vector<ReadyPeer> peers;
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < ready.size(); ++i) {
          if (scope == MatrixScope::kShared && !clients[i]->shared_scope_allowed()) continue;
          peers.push_back(ready[i]);
          places.push_back(i);
        }
        refuses_scope = peers.empty() && !ready.empty();
        const auto index = PickByKey(tenant, peers, per_tenant_);
        if (!index.has_value()) return std::nullopt;
        return places[*index];
      });
  if (!picked.ok() && refuses_scope) {
    return absl::FailedPreconditionError(
        "matrix scope: got SHARED, which no drafter that is ready allows (--allow_shared)");
  }
  return picked;
}

void DrafterFleet::Report(const std::string& address, const absl::Status& error) {
  pool_.Report(address, error);
}

bool DrafterFleet::Judge(const std::string& address, const absl::Status& answer) {
  return pool_.Judge(address, answer);
}

}  // namespace recycling::gateway
