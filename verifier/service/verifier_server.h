// Puts a verifier together: model, forward pass, cache, scheduler, service.
#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_SERVER_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "common/rpc/caller_check.h"

namespace recycling::verifier {

struct VerifierOptions {
  std::string model_path;  // a GGUF v3 file
  int threads = 0;         // of the forward pass, 0 to 1024; 0: as many as the machine has
  int max_sequences = 8;   // open at once, 1 to 4096
  std::uint32_t context_length = 0;  // tokens of a sequence, up to 2^20; 0: what the model has
  std::uint32_t k = 8;               // candidates per row, 1 to 64
  int max_tree_nodes = 256;          // beside the root, 0 to 4096
  int prefill_chunk = 256;           // rows of a prefill pass, 1 to 4096
  std::string kv_type = "f16";       // "f16" or "f32"
  // Most memory of cached keys and values, bytes, at least a page (kv_cache.h); 0: what
  // max_sequences of context_length take, at most half of UsableMemory().
  std::uint64_t kv_bytes = 0;
  std::string kernel = "auto";  // a name of kernels/cpu.h, or "auto": the machine's best
  std::shared_ptr<const CallerCheck> callers;     // null: no keys
  absl::Duration cost_budget = absl::Seconds(3);  // to measure passes of several sizes at start
  // A Decode stream whose client is silent for so long on its turn is ended, 0 and more; 0: never.
  absl::Duration stream_idle_timeout = absl::Minutes(5);
};

// Threads: service(), Drain() and full_name() may be called from any thread.
class VerifierServer {
 public:
  // Loads the model and runs passes of several sizes, so that the first request finds everything
  // warm and what a pass costs is known. InvalidArgument for options out of range, by name; else as
  // Model::Load, Transformer::Create and KvCache::Create.
  static absl::StatusOr<std::unique_ptr<VerifierServer>> Create(const VerifierOptions& options);

  virtual ~VerifierServer() = default;

  // Lives as long as this object; every server that serves it must be shut down first.
  virtual grpc::Service* service() = 0;

  // What it does and has done; see verifier_metrics.h.
  virtual void AddMetrics(MetricSet* metrics) const = 0;

  // Says in handshakes that it drains, refuses new sequences as Unavailable and waits until the
  // ones that run have ended, at most `grace`; then they are cancelled. Call before the server that
  // serves it is shut down. For good.
  virtual void Drain(absl::Duration grace) = 0;

  // `tell` hears now, and then of every change within seconds, whether passes still end; it must
  // not call back. Null: nobody is told; whoever was told before is not called any more on return.
  virtual void OnHealth(std::function<void(bool)> tell) = 0;

  // One line for people: model, kernel, limits.
  virtual std::string Description() const = 0;

  // Name of the service, also in health checks: "recycling.verifier.v1.VerifierService".
  static const char* full_name();
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_SERVER_H_
