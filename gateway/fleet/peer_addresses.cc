#include "gateway/fleet/peer_addresses.h"

#include <algorithm>
#include <iterator>

namespace recycling::gateway {

void PeerAddresses::SetTargets(std::vector<PeerTarget> targets) {
  MutexLock lock(mutex_);
  targets_ = std::move(targets);
  for (auto entry = names_.begin(); entry != names_.end();) {
    const PeerTarget target = {.address = entry->first, .is_name = true};
    const bool listed = std::find(targets_.begin(), targets_.end(), target) != targets_.end();
    entry = listed ? std::next(entry) : names_.erase(entry);
  }
}

std::vector<std::string> PeerAddresses::TakeDue(absl::Duration now) {
  MutexLock lock(mutex_);
  std::vector<std::string> due;
  for (const PeerTarget& target : targets_) {
    if (!target.is_name) continue;
    Name& name = names_[target.address];
    if (name.due > now) continue;
    name.due = absl::InfiniteDuration();
    due.push_back(target.address);
  }
  return due;
}

void PeerAddresses::Resolved(const std::string& name,
                             absl::StatusOr<std::vector<std::string>> addresses,
                             absl::Duration now) {
  MutexLock lock(mutex_);
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  found->second.error = addresses.status();
  found->second.due = now + (addresses.ok() ? refresh_ : retry_);
  if (addresses.ok()) found->second.addresses = *std::move(addresses);
}

std::vector<std::string> PeerAddresses::Wanted() const {
  MutexLock lock(mutex_);
  std::vector<std::string> wanted;
  for (const PeerTarget& target : targets_) {
    if (!target.is_name) {
      wanted.push_back(target.address);
    } else if (const auto found = names_.find(target.address); found != names_.end()) {
      const std::vector<std::string>& addresses = found->second.addresses;
      wanted.insert(wanted.end(), addresses.begin(), addresses.end());
    }
  }
  return wanted;
}

std::vector<std::pair<std::string, absl::Status>> PeerAddresses::Failures() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<std::string, absl::Status>> failures;
  for (const auto& [name, state] : names_) {
    if (!state.error.ok()) failures.emplace_back(name, state.error);
  }
  return failures;
}

}  // namespace recycling::gateway
