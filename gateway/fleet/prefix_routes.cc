#include "gateway/fleet/prefix_routes.h"

#include <algorithm>

namespace recycling::gateway {
namespace {

// Mixes `value` into the hash `state`, with the finalizer of MurmurHash3.
std::uint64_t Mix(std::uint64_t state, std::uint64_t value) {
  std::uint64_t hash = (state ^ value) * 0x9e3779b97f4a7c15u;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

// The hash of each whole page: of the tenant and of every token up to the end of the page.
std::vector<std::uint64_t> PageHashes(std::string_view tenant, std::span<const TokenId> prompt,
                                      std::size_t page_tokens) {
  if (page_tokens == 0) return {};
  std::uint64_t hash = tenant.size();
  for (const char c : tenant) hash = Mix(hash, static_cast<unsigned char>(c));
  const std::size_t pages = std::min(prompt.size() / page_tokens, PrefixRoutes::kPages);
  std::vector<std::uint64_t> hashes;
  hashes.reserve(pages);
  for (std::size_t i = 0; i < pages * page_tokens; ++i) {
    hash = Mix(hash, prompt[i]);
    if ((i + 1) % page_tokens == 0) hashes.push_back(hash);
  }
  return hashes;
}

}  // namespace

void PrefixRoutes::Record(std::string_view tenant, std::span<const TokenId> prompt,
                          std::uint32_t page_tokens, const std::string& address) {
  const std::vector<std::uint64_t> hashes = PageHashes(tenant, prompt, page_tokens);
  MutexLock lock(mutex_);
  // Goes from the last page to the first, so that the end of a prompt is dropped before its
  // beginning.
  for (auto hash = hashes.rbegin(); hash != hashes.rend(); ++hash) {
    if (const auto found = places_.find(*hash); found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
    } else {
      if (entries_.size() >= capacity_) {
        places_.erase(entries_.back().first);
        entries_.pop_back();
      }
      entries_.emplace_front(*hash, Holders());
      places_[*hash] = entries_.begin();
    }
    Holders& holders = entries_.front().second;
    std::erase(holders, address);
    holders.insert(holders.begin(), address);
    if (holders.size() > kHolders) holders.pop_back();
  }
}

std::map<std::string, std::uint32_t> PrefixRoutes::Held(std::string_view tenant,
                                                        std::span<const TokenId> prompt,
                                                        std::uint32_t page_tokens) {
  const std::vector<std::uint64_t> hashes = PageHashes(tenant, prompt, page_tokens);
  std::map<std::string, std::uint32_t> held;
  MutexLock lock(mutex_);
  std::uint32_t tokens = 0;
  for (const std::uint64_t hash : hashes) {
    const auto found = places_.find(hash);
    if (found == places_.end()) break;
    for (const std::string& address : found->second->second) {
      // A page is of use only to a verifier that holds all pages before it.
      if (tokens == 0 || held[address] == tokens) {
        held[address] = tokens + page_tokens;
      }
    }
    tokens += page_tokens;
  }
  std::erase_if(held, [](const auto& entry) { return entry.second == 0; });
  return held;
}

void PrefixRoutes::Forget(const std::string& address) {
  MutexLock lock(mutex_);
  for (auto& [hash, holders] : entries_) std::erase(holders, address);
}

std::size_t PrefixRoutes::pages() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace recycling::gateway
