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

// What a sequence wants of a verifier.
struct VerifierWish {
  std::string tenant;
  std::span<const TokenId> prompt;     // verifiers that hold its beginning are preferred
  std::span<const std::string> avoid;  // addresses that must not be picked
};

// Where a request finds its verifiers. Threads: any.
class VerifierDirectory {
 public:
  virtual ~VerifierDirectory() = default;

  // A verifier that takes new sequences now; never blocks. It counts as used until the pointer is
  // gone. Unavailable saying why if there is none.
  virtual absl::StatusOr<std::shared_ptr<VerifierClient>> Pick(const VerifierWish& wish) = 0;

  // Reports what happened to a sequence at the verifier of this address: OK if it was opened there,
  // else the error with which it was lost. `since` (Clock::Monotonic()) is when it was opened
  // there, or when the attempt to open it began. Never blocks.
  virtual void Report(const std::string& address, const absl::Status& outcome,
                      absl::Duration since) = 0;

  // Blocks until Pick may have another result, Wake is called, or `at_most` has passed. Returns at
  // once if `stop` is set. A thread that sets `stop` must call Wake after it.
  virtual void Await(absl::Duration at_most, const std::atomic<bool>& stop) = 0;
  virtual void Wake() = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_VERIFIER_DIRECTORY_H_
