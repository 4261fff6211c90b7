// A whole drafter, put together from options. recycling-drafter uses it, and so does the program
// that runs all services in one process.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVER_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVER_H_

#include <grpcpp/impl/codegen/service_type.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "common/rpc/caller_check.h"

namespace recycling::drafter {

// The service's full name. Its health is reported under this name.
inline constexpr char kDrafterServiceName[] = "recycling.drafter.v1.DrafterService";

struct DrafterOptions {
  std::string drafter_id = "drafter";  // 1 to 48 of [A-Za-z0-9_-]
  // File of the tree that is proposed if a proposal carries no costs; empty: the paper's tree.
  std::string template_file;
  std::uint64_t max_matrix_bytes = std::uint64_t{256} << 20;  // of all matrices together
  bool allow_shared = false;                                  // the shared scope may be used
  std::shared_ptr<const CallerCheck> callers;                 // null: calls need no key
  std::string snapshot_dir;  // must exist; empty: matrices are not saved
  // How often matrices that learnt are saved, so that a crash loses little; 0: on shutdown only.
  absl::Duration snapshot_interval = absl::Minutes(5);
};

// Threads: all methods may be called from any thread.
class DrafterServer {
 public:
  virtual ~DrafterServer() = default;

  // The caller registers it with a server, and shuts that server down before this is destroyed.
  virtual grpc::Service* service() = 0;

  // The most threads that service() holds at once: one for each open Draft stream. The caller adds
  // them to RpcServerOptions.max_threads of that server.
  virtual int max_threads() const = 0;

  // Adds the metrics of drafter_metrics.h.
  virtual void AddMetrics(MetricSet* metrics) const = 0;

  // Writes every matrix that learnt since it was last written. Waits for the disk. The caller calls
  // it after the server's shutdown, so that nothing learnt is lost. OK if matrices are not saved.
  virtual absl::Status SaveSnapshots() = 0;
};

// Loads the template and the snapshots. InvalidArgument for options out of range, the errors of
// TreeTemplate::Load, and those of a snapshot directory that cannot be read. A bad snapshot is no
// error (snapshot_dir.h).
absl::StatusOr<std::unique_ptr<DrafterServer>> CreateDrafter(const DrafterOptions& options);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVER_H_
