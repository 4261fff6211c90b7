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
  int threads = 0;         // of the forward pass, 0 to 1024; 0: one for each core of the machine
  int max_sequences = 8;   // open at once, 1 to 4096
  std::uint32_t context_length = 0;  // tokens of a sequence, up to 2^20; 0: the model's own
  std::uint32_t k = 8;               // candidates per row, 1 to 64
  // Nodes of a draft tree beside the root, 0 to 4096. The paper's tree has 80; larger ones cost
  // more than they bring.
  int max_tree_nodes = 256;
  // Prompt rows of a pass, 1 to 4096. More rows read the weights no better and make others wait.
  int prefill_chunk = 256;
  std::string kv_type = "f16";  // "f16" or "f32"
  // Bound on the memory of all keys and values, bytes; at least one page (kv_cache.h). 0: as much
  // as max_sequences of context_length need, but at most half of UsableMemory().
  std::uint64_t kv_bytes = 0;
  std::string kernel = "auto";      // a name of kernels/cpu.h, or "auto": the machine's best
  std::string arithmetic = "fast";  // "fast" or "exact", see Arithmetic
  std::shared_ptr<const CallerCheck> callers;     // null: no keys
  absl::Duration cost_budget = absl::Seconds(3);  // to measure passes of several sizes at start
  // A Decode stream is ended if its client sends nothing for this long on its turn. 0: never. The
  // default is far longer than a gateway needs between two steps.
  absl::Duration stream_idle_timeout = absl::Minutes(5);
};

// Threads: service(), Drain() and full_name() may be called from any thread.
class VerifierServer {
 public:
  // Loads the model and runs passes of several sizes. They measure what passes cost and warm up
  // what the first request uses. InvalidArgument, with the option's name, for options out of range;
  // else the errors of Model::Load, Transformer::Create and KvCache::Create.
  static absl::StatusOr<std::unique_ptr<VerifierServer>> Create(const VerifierOptions& options);

  virtual ~VerifierServer() = default;

  // Owned by this object. Every server that serves it must be shut down before this object is
  // destroyed.
  virtual grpc::Service* service() = 0;

  // Adds the verifier's metrics; see verifier_metrics.h.
  virtual void AddMetrics(MetricSet* metrics) const = 0;

  // From now on, for good, handshakes say that the verifier drains, and new sequences are
  // Unavailable. Waits at most `grace` until the open sequences have ended, then cancels the rest.
  // Call this before the server that serves it is shut down.
  virtual void Drain(absl::Duration grace) = 0;

  // Calls tell(true) if passes end and tell(false) if one hangs: now, and then within seconds of
  // every change. `tell` must not call back. It replaces the function of the last call, which is
  // not called any more after the return. Null: no function.
  virtual void OnHealth(std::function<void(bool)> tell) = 0;

  // One line for people: model, kernel, limits.
  virtual std::string Description() const = 0;

  // Name of the service, also in health checks: "recycling.verifier.v1.VerifierService".
  static const char* full_name();
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_SERVER_H_
