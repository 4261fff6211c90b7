#ifndef RECYCLING_GATEWAY_CLIENTS_VERIFIER_DIRECTORY_H_
#define RECYCLING_GATEWAY_CLIENTS_VERIFIER_DIRECTORY_H_

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/decoding/token_id.h"
#include "gateway/clients/verifier_client.h"

namespace recycling::gateway {

// The properties of a sequence by which Pick chooses its verifier.
struct VerifierWish {
  std::string tenant;
  std::span<const TokenId> prompt;     // Pick prefers verifiers that hold its beginning
  std::span<const std::string> avoid;  // addresses that must not be picked
};

inline constexpr absl::Duration kLongestAwait = absl::Milliseconds(100);

// Finds verifiers for sequences. Threads: any.
class VerifierDirectory {
 public:
  virtual ~VerifierDirectory() = default;

  // Returns a verifier that takes new sequences now. Never blocks. The verifier counts as in use
  // until the pointer is destroyed. Returns Unavailable with the reason if there is none.
  virtual absl::StatusOr<std::shared_ptr<VerifierClient>> Pick(const VerifierWish& wish) = 0;

  // The caller reports what happened to its sequence at the verifier `address`: OK if the verifier
  // opened it, else the error that ended it there. `since` (Clock::Monotonic()) is when the caller
  // began to open the sequence there. Never blocks.
  virtual void Report(const std::string& address, const absl::Status& outcome,
                      absl::Duration since) = 0;

  // Blocks until Pick may have another result, Wake is called, or `at_most` has passed. Returns at
  // once if `stop` is set. A thread that sets `stop` must call Wake after it. Await does not notice
  // a change just before the call, so pass at most kLongestAwait and call Pick again.
  virtual void Await(absl::Duration at_most, const std::atomic<bool>& stop) = 0;
  virtual void Wake() = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_VERIFIER_DIRECTORY_H_
