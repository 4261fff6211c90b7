// Makes a whole drafter from options. The program recycling-drafter uses it, and so does the
// program that runs all services in one process.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVER_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVER_H_

#include <grpcpp/impl/codegen/service_type.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "common/rpc/caller_check.h"
#include "common/rpc/peer_streams.h"

namespace recycling::drafter {

// The full name of the gRPC service. Health checks ask for this name.
inline constexpr char kDrafterServiceName[] = "recycling.drafter.v1.DrafterService";

struct DrafterOptions {
  std::string drafter_id = "drafter";  // 1 to 48 characters of [A-Za-z0-9_-]
  // File with the template tree, which the drafter uses if a proposal carries no costs. Empty: the
  // paper's tree of 80 nodes.
  std::string template_file;
  std::uint64_t max_matrix_bytes = std::uint64_t{1} << 30;  // limit for all matrices together
  bool allow_shared = false;                                // the shared scope may be used
  // File with rows of the model for tokens whose own row is cold (store/base_matrix.h). Empty:
  // none.
  std::string base_matrix;
  // A base matrix that is damaged or belongs to another model is a warning and is not used; if
  // there is no file, nothing is logged. If false, all these are errors.
  bool base_matrix_is_optional = false;
  // Which sources name candidates (DraftSourcesFromNames).
  std::vector<std::string> draft_sources = {"pairs", "matrix", "history", "recent"};
  std::shared_ptr<const CallerCheck> callers;  // null: callers need no API key
  std::string snapshot_dir;                    // must exist; empty: matrices are not saved
  // How often the drafter saves the matrices that changed. 0: only on shutdown, so a crash loses
  // everything that it learnt.
  absl::Duration snapshot_interval = absl::Minutes(5);
};

// Threads: all methods may be called from any thread.
class DrafterServer {
 public:
  virtual ~DrafterServer() = default;

  // The caller registers this service with a server. It shuts that server down before it destroys
  // this object.
  virtual grpc::Service* service() = 0;

  // service() uses at most this many threads at once: one for each open Draft stream. The caller
  // adds this number to RpcServerOptions.max_threads of the server.
  virtual int max_threads() const = 0;

  // Opens a Draft stream for a caller in this process, without gRPC (OpenLocalDraft). It needs no
  // key, has no idle timeout and no thread. The caller closes it before it destroys this object.
  virtual std::unique_ptr<DraftStream> OpenDraft(const CallOrigin& origin) = 0;

  // Adds the metrics of drafter_metrics.h.
  virtual void AddMetrics(MetricSet* metrics) const = 0;

  // Writes every matrix that changed since the last save to the disk. Blocks until the disk has
  // them. The caller calls it after the server has shut down, so that the files hold everything
  // that was learnt. Does nothing and returns OK if there is no snapshot directory.
  virtual absl::Status SaveSnapshots() = 0;
};

// Loads the template, the snapshots and the base matrix. Returns InvalidArgument if an option is
// out of range, the errors of TreeTemplate::Load and LoadBaseMatrix, an error if the snapshot
// directory cannot be read, and FailedPrecondition if the base matrix belongs to another model or k
// than the snapshots. A damaged snapshot is not an error (see snapshot_dir.h).
absl::StatusOr<std::unique_ptr<DrafterServer>> CreateDrafter(const DrafterOptions& options);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVER_H_
