#ifndef RECYCLING_GATEWAY_FLEET_PREFIX_ROUTES_H_
#define RECYCLING_GATEWAY_FLEET_PREFIX_ROUTES_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/decoding/token_id.h"

namespace recycling::gateway {

// Which verifiers have lately been given prompts that begin alike, and so may hold their keys and
// values. Prompts are cut into pages; a hash of tenant and all tokens to the end of a page stands
// for them. A guess: a verifier may have forgotten, hashes may collide; that costs a prefill. Holds
// at most `capacity` pages; the one used least recently makes room. Threads: any.
class PrefixRoutes {
 public:
  static constexpr std::size_t kPage = 32;     // tokens
  static constexpr std::size_t kHolders = 4;   // kept of a page, the newest
  static constexpr std::size_t kPages = 1024;  // of a prompt that are looked at

  explicit PrefixRoutes(std::size_t capacity = 1 << 16) : capacity_(capacity) {}

  // The verifier of `address` was given this prompt.
  void Record(std::string_view tenant, std::span<const TokenId> prompt, const std::string& address);

  // How many tokens of the prompt's beginning each verifier may hold, in whole pages; those that
  // hold none are left out.
  std::map<std::string, std::uint32_t> Held(std::string_view tenant,
                                            std::span<const TokenId> prompt);

  // The verifier of `address` is gone, and what it held.
  void Forget(const std::string& address);

  std::size_t pages() const;

 private:
  using Holders = std::vector<std::string>;  // the newest first
  using Entries = std::list<std::pair<std::uint64_t, Holders>>;

  const std::size_t capacity_;
  mutable Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // used last first
  std::unordered_map<std::uint64_t, Entries::iterator> places_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PREFIX_ROUTES_H_
