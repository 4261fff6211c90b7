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
#include "common/rpc/peer_streams.h"

namespace recycling::verifier {

struct VerifierOptions {
  std::string model_path;            // a GGUF v3 file, or the first one of its shards
  std::string pretokenizer;          // see ReadTokenizerData; empty: that of the file
  int threads = 0;                   // of the forward pass, 0 to 1024; 0: UsableCores()
  int max_sequences = 8;             // open at once, 1 to 4096
  std::uint32_t context_length = 0;  // tokens of a sequence, up to 2^20; 0: the model's limit
  std::uint32_t k = 8;               // candidates per row, 1 to 64
  // The most nodes of a draft tree without the root, 0 to 4096. The tree of the Token Recycling
  // paper (arXiv 2408.08696) has 80. Much larger trees take more time than they save.
  int max_tree_nodes = 256;
  // The most prompt rows of a pass, 1 to 4096. More rows would hardly speed up prompts, and other
  // sequences would wait longer.
  int prefill_chunk = 256;
  std::string kv_type = "f16";  // "f16" or "f32"
  // The limit on the memory of all keys and values, in bytes; at least one page (kv_cache.h). 0:
  // enough for max_sequences sequences of context_length tokens, but at most half of
  // UsableMemory().
  std::uint64_t kv_bytes = 0;
  // A name of kernels/cpu.h. "auto": for each number of rows the fastest one of
  // MatMulKernel::Candidates.
  std::string kernel = "auto";
  std::string arithmetic = "fast";                // "fast" or "exact", see Arithmetic
  std::shared_ptr<const CallerCheck> callers;     // null: anybody may call
  absl::Duration cost_budget = absl::Seconds(3);  // for measuring passes at start
  // The verifier ends a Decode stream if it waits for the client and the client sends nothing for
  // this long. 0: never. A gateway needs far less time between two steps than the default.
  absl::Duration stream_idle_timeout = absl::Minutes(5);
};

// Threads: service(), OpenDecode(), Drain() and full_name() may be called from any thread.
class VerifierServer {
 public:
  // Loads the model and runs passes of 1, 16 and 4 rows. These measure the time of passes and
  // warm up the code for the first request. Returns InvalidArgument, with the name of the option,
  // for options out of range, Unimplemented for an unknown tokenizer, and the errors of
  // Model::Load, Transformer::Create and KvCache::Create.
  static absl::StatusOr<std::unique_ptr<VerifierServer>> Create(const VerifierOptions& options);

  virtual ~VerifierServer() = default;

  // This object owns the service. Shut down every server that has the service before you destroy
  // this object.
  virtual grpc::Service* service() = 0;

  // Opens a Decode stream for a caller in this process, without gRPC. It needs no key, and it has
  // no idle timeout. It counts towards Drain. The caller destroys it before this object.
  virtual std::unique_ptr<DecodeStream> OpenDecode(absl::Time deadline,
                                                   const CallOrigin& origin) = 0;

  // Adds the verifier's metrics; see verifier_metrics.h.
  virtual void AddMetrics(MetricSet* metrics) const = 0;

  // From now on handshakes say that the verifier drains, and new sequences get Unavailable. Waits
  // at most `grace` until the open sequences have ended, then cancels the rest. Call this before
  // you shut down the server.
  virtual void Drain(absl::Duration grace) = 0;

  // Calls tell(false) if a pass hangs and tell(true) if not: once now, and within seconds of each
  // change. `tell` must not call this object. `tell` replaces the function of the previous call,
  // which is not called any more after this call returns. Null: no function.
  virtual void OnHealth(std::function<void(bool)> tell) = 0;

  // One line for people: model, kernel, limits.
  virtual std::string Description() const = 0;

  // Name of the service, also in health checks: "recycling.verifier.v1.VerifierService".
  static const char* full_name();
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_SERVER_H_
