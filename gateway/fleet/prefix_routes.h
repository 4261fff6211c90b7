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

// Remembers which verifiers got a prompt lately, because these may still hold its keys and values.
// The prompt is cut into pages, as in the verifiers' KV cache. Each page is remembered as a hash of
// the tenant and of all tokens up to the end of the page. The answer of Held is a guess: a verifier
// may have dropped the page, and hashes may collide. A wrong guess costs a prefill. Holds at most
// `capacity` pages and drops the least recently used one first. Threads: any.
//
// `page_tokens` is the number of tokens in a page, as the verifier says in its handshake. Any
// number is allowed. If it is 0 or larger than the prompt, nothing is recorded or found. Only the
// first kPages pages of a prompt are used.
class PrefixRoutes {
 public:
  static constexpr std::size_t kHolders = 4;   // latest verifiers remembered for a page
  static constexpr std::size_t kPages = 1024;  // most pages of a prompt

  explicit PrefixRoutes(std::size_t capacity = 1 << 16) : capacity_(capacity) {}

  // Records that the verifier at `address` gets this prompt.
  void Record(std::string_view tenant, std::span<const TokenId> prompt, std::uint32_t page_tokens,
              const std::string& address);

  // For each verifier that may hold the beginning of the prompt, the number of tokens that it may
  // hold, in whole pages. Never 0.
  std::map<std::string, std::uint32_t> Held(std::string_view tenant,
                                            std::span<const TokenId> prompt,
                                            std::uint32_t page_tokens);

  // Records that the verifier at `address` holds nothing any more.
  void Forget(const std::string& address);

  std::size_t pages() const;

 private:
  using Holders = std::vector<std::string>;  // the latest one first
  using Entries = std::list<std::pair<std::uint64_t, Holders>>;

  const std::size_t capacity_;
  mutable Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // the most recently used one first
  std::unordered_map<std::uint64_t, Entries::iterator> places_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PREFIX_ROUTES_H_
