#include "drafter/service/drafter_server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/ticker.h"
#include "drafter/service/drafter_service.h"
#include "drafter/sources/draft_sources.h"
#include "drafter/store/base_matrix.h"
#include "drafter/store/snapshot_dir.h"
#include "drafter/store/snapshot_saver.h"

namespace recycling::drafter {
namespace {

// If the client of a Draft or LoadMatrix stream sends nothing for this long, the stream is
// cancelled.
constexpr absl::Duration kIdleTimeout = absl::Minutes(5);

class Server final : public DrafterServer {
 public:
  Server(const DrafterOptions& options, TreeTemplate shape, DraftSourceSet sources)
      : options_(options),
        shape_(std::move(shape)),
        sources_(sources),
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
    RETURN_IF_ERROR(UseBaseMatrix());
    service_ =
        std::make_unique<GrpcDrafterService>(options_.drafter_id, shape_, &store_, saver_.get(),
                                             options_.callers, kIdleTimeout, RealClock(), sources_);
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
  // The snapshots are loaded before, so a wrong base matrix does not set them aside.
  absl::Status UseBaseMatrix() {
    if (options_.base_matrix.empty()) return absl::OkStatus();
    auto base = LoadBaseMatrix(options_.base_matrix, options_.max_matrix_bytes);
    if (!base.ok() && options_.base_matrix_is_optional) {
      if (!absl::IsNotFound(base.status())) {
        Log(LogLevel::kWarning, "the base matrix is not used",
            {{"error", base.status().ToString()}});
      }
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(base.status());
    Log(LogLevel::kInfo, "base matrix loaded",
        {{"path", options_.base_matrix},
         {"model", (*base)->binding.model.model_id},
         {"k", absl::StrCat((*base)->binding.k)},
         {"rows", absl::StrCat((*base)->matrix.rows_filled())},
         {"bytes", absl::StrCat((*base)->matrix.memory_bytes())}});
    return store_.SetBase(*std::move(base), options_.base_matrix_is_optional
                                                ? MatrixStore::BaseMustFit::kNo
                                                : MatrixStore::BaseMustFit::kYes);
  }

  const DrafterOptions options_;
  const TreeTemplate shape_;
  const DraftSourceSet sources_;
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
  ASSIGN_OR_RETURN(const DraftSourceSet sources, DraftSourcesFromNames(options.draft_sources));
  auto server = std::make_unique<Server>(options, std::move(shape), sources);
  RETURN_IF_ERROR(server->Start());
  return server;
}

}  // namespace recycling::drafter
