#include "drafter/service/drafter_server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/ticker.h"
#include "drafter/service/drafter_service.h"
#include "drafter/store/snapshot_dir.h"
#include "drafter/store/snapshot_saver.h"

namespace recycling::drafter {
namespace {

// If the client of a Draft or LoadMatrix stream sends nothing for this long, the stream is
// cancelled.
constexpr absl::Duration kIdleTimeout = absl::Minutes(5);

class Server final : public DrafterServer {
 public:
  Server(const DrafterOptions& options, TreeTemplate shape)
      : options_(options),
        shape_(std::move(shape)),
        store_({.max_bytes = options.max_matrix_bytes, .allow_shared = options.allow_shared}) {}

  absl::Status Start() {
    if (!options_.snapshot_dir.empty()) {
      dir_ = std::make_unique<SnapshotDir>(options_.snapshot_dir, options_.drafter_id, &store_);
      ASSIGN_OR_RETURN(const SnapshotDir::LoadResult loaded, dir_->LoadAll());
      Log(LogLevel::kInfo, "snapshots loaded",
          {{"loaded", absl::StrCat(loaded.loaded)},
           {"set_aside", absl::StrCat(loaded.set_aside)},
           {"left_in_place", absl::StrCat(loaded.left)}});
      saver_ = std::make_unique<SnapshotSaver>(dir_.get(), options_.snapshot_interval);
    }
    service_ = std::make_unique<GrpcDrafterService>(options_.drafter_id, shape_, &store_,
                                                    saver_.get(), options_.callers, kIdleTimeout);
    idle_sweeper_.emplace([this] {
      service_->EndIdleStreams();
      return absl::Seconds(1);
    });
    return absl::OkStatus();
  }

  grpc::Service* service() override { return service_.get(); }

  int max_threads() const override { return kMostDraftStreams; }

  std::unique_ptr<DraftStream> OpenDraft(const CallOrigin& origin) override {
    return service_->OpenDraft(origin);
  }

  void AddMetrics(MetricSet* metrics) const override { service_->AddMetrics(metrics); }

  absl::Status SaveSnapshots() override {
    return dir_ == nullptr ? absl::OkStatus() : dir_->SaveAll();
  }

 private:
  const DrafterOptions options_;
  const TreeTemplate shape_;
  MatrixStore store_;
  std::unique_ptr<SnapshotDir> dir_;      // null: matrices are not saved
  std::unique_ptr<SnapshotSaver> saver_;  // null: matrices are not saved
  std::unique_ptr<GrpcDrafterService> service_;
  std::optional<Ticker> idle_sweeper_;  // the last member, because it uses service_
};

absl::Status ValidateOptions(const DrafterOptions& options) {
  RETURN_IF_ERROR(ValidateDrafterId(options.drafter_id));
  return CheckRange("snapshot_interval", options.snapshot_interval, absl::ZeroDuration());
}

}  // namespace

absl::StatusOr<std::unique_ptr<DrafterServer>> CreateDrafter(const DrafterOptions& options) {
  RETURN_IF_ERROR(ValidateOptions(options));
  TreeTemplate shape = TreeTemplate::Paper80();
  if (!options.template_file.empty()) {
    ASSIGN_OR_RETURN(shape, TreeTemplate::Load(options.template_file));
  }
  auto server = std::make_unique<Server>(options, std::move(shape));
  RETURN_IF_ERROR(server->Start());
  return server;
}

}  // namespace recycling::drafter
