#include "drafter/store/snapshot_dir.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "drafter/store/durable_file.h"
#include "drafter/store/snapshot.h"

namespace recycling::drafter {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kExtension = ".rcm";
constexpr std::size_t kMaxDrafterIdBytes = 48;  // limits file names to 255 bytes

absl::Status ErrorOf(const std::error_code& error, const std::string& what) {
  return absl::ErrnoToStatus(error.value(), what);
}

// Renames a file to a name that does not exist yet. Returns the new name, or "" if it cannot rename
// the file.
std::string SetAside(const std::string& path) {
  for (int i = 1; i < 100; ++i) {
    const std::string aside = absl::StrCat(path, ".aside", i == 1 ? "" : absl::StrCat(i));
    std::error_code error;
    if (fs::exists(fs::symlink_status(aside, error))) continue;
    fs::rename(path, aside, error);
    return error ? "" : aside;
  }
  return "";
}

// True for the temporary file of a snapshot of this drafter (durable_file.h).
bool IsInterruptedSave(const std::string& drafter_id, const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  absl::string_view snapshot = name;
  std::error_code unknown;
  return absl::ConsumeSuffix(&snapshot, ".tmp") &&
         ParseSnapshotFileName(drafter_id, std::string(snapshot)).has_value() &&
         fs::is_regular_file(entry.symlink_status(unknown));
}

void Remove(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) {
    Log(LogLevel::kWarning, "cannot delete the file of an interrupted save",
        {{"path", path.string()}, {"error", error.message()}});
  } else {
    Log(LogLevel::kInfo, "deleted the file of an interrupted save", {{"path", path.string()}});
  }
}

}  // namespace

absl::Status ValidateDrafterId(const std::string& drafter_id) {
  const bool words = std::all_of(drafter_id.begin(), drafter_id.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
  if (words && !drafter_id.empty() && drafter_id.size() <= kMaxDrafterIdBytes) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("drafter id: got \"", absl::CEscape(drafter_id),
                                                 "\", expected 1 to ", kMaxDrafterIdBytes,
                                                 " of the characters [A-Za-z0-9_-]"));
}

std::string SnapshotFileName(const std::string& drafter_id, const MatrixKey& key) {
  if (key.scope == MatrixScope::kShared) return absl::StrCat(drafter_id, ".shared", kExtension);
  return absl::StrCat(drafter_id, ".tenant.", absl::WebSafeBase64Escape(key.tenant), kExtension);
}

std::optional<MatrixKey> ParseSnapshotFileName(const std::string& drafter_id,
                                               const std::string& name) {
  MatrixKey key{MatrixScope::kShared, ""};
  absl::string_view encoded = name;
  if (absl::ConsumePrefix(&encoded, absl::StrCat(drafter_id, ".tenant.")) &&
      absl::ConsumeSuffix(&encoded, kExtension)) {
    key.scope = MatrixScope::kTenant;
    if (!absl::WebSafeBase64Unescape(encoded, &key.tenant)) return std::nullopt;
  }
  // Accept only a name that this drafter would write itself.
  if (SnapshotFileName(drafter_id, key) != name) return std::nullopt;
  return key;
}

SnapshotDir::SnapshotDir(std::string directory, std::string drafter_id, MatrixStore* store)
    : directory_(std::move(directory)), drafter_id_(std::move(drafter_id)), store_(store) {}

absl::StatusOr<SnapshotDir::LoadResult> SnapshotDir::LoadAll() {
  struct Found {
    fs::file_time_type written;
    std::string name;
    MatrixKey key;
  };
  const MutexLock lock(mutex_);
  std::vector<Found> files;
  std::vector<fs::path> interrupted;  // files of interrupted saves
  std::error_code error;
  for (fs::directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::optional<MatrixKey> key = ParseSnapshotFileName(drafter_id_, name);
    if (!key.has_value()) {
      if (IsInterruptedSave(drafter_id_, *it)) interrupted.push_back(it->path());
      continue;
    }
    std::error_code unknown_time;
    files.push_back({it->last_write_time(unknown_time), name, *std::move(key)});
  }
  if (error) return ErrorOf(error, absl::StrCat("snapshot directory ", directory_));
  for (const fs::path& path : interrupted) Remove(path);
  // Files with equal times are sorted by name, so that the order is always the same.
  std::sort(files.begin(), files.end(), [](const Found& a, const Found& b) {
    return a.written != b.written ? a.written > b.written : a.name < b.name;
  });
  LoadResult result;
  std::vector<MatrixKey> loaded;
  for (const Found& file : files) {
    const std::string path = absl::StrCat(directory_, "/", file.name);
    absl::Status status = store_->ValidateKey(file.key);
    const bool wanted = status.ok();
    if (wanted) status = LoadOne(path, file.key);
    if (status.ok()) {
      loaded.push_back(file.key);
      continue;
    }
    std::string aside;
    if (wanted && (absl::IsDataLoss(status) || absl::IsFailedPrecondition(status))) {
      aside = SetAside(path);
    }
    ++(aside.empty() ? result.left : result.set_aside);
    Log(LogLevel::kError, "snapshot not loaded",
        {{"path", path}, {"error", status.ToString()}, {"set_aside", aside}});
  }
  result.loaded = static_cast<int>(loaded.size());
  // The matrix that was written last becomes the most recently used.
  for (auto key = loaded.rbegin(); key != loaded.rend(); ++key)
    RETURN_IF_ERROR(store_->Use(*key).status());
  return result;
}

absl::Status SnapshotDir::LoadOne(const std::string& path, const MatrixKey& key) {
  const std::uint64_t max_bytes = store_->options().max_bytes;
  const std::uint64_t room = max_bytes - std::min(store_->bytes(), max_bytes);
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, room + kMaxSnapshotOverhead));
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Parse(bytes));
  const MatrixBinding& binding = snapshot.binding();
  // Without this check the store would drop a matrix that was just loaded.
  if (ScopeMemory::FirstBytes(binding.model.vocab_size, binding.k) > room) {
    return absl::ResourceExhaustedError("the matrices that were loaded before it leave no room");
  }
  RETURN_IF_ERROR(LoadSnapshot(snapshot, key, store_));
  ASSIGN_OR_RETURN(const std::shared_ptr<ScopeMemory> memory, store_->Find(key));
  saved_[key] = {memory, memory->matrix.row_updates()};
  return absl::OkStatus();
}

absl::Status SnapshotDir::SaveAll() {
  const MutexLock lock(mutex_);
  std::erase_if(saved_, [](const auto& saved) { return saved.second.memory.expired(); });
  // Keep only the keys. A list of the matrices would keep the store from dropping any of them.
  std::vector<MatrixKey> keys;
  for (const MatrixStore::Entry& entry : store_->List()) keys.push_back(entry.key);
  absl::Status first_error;
  for (const MatrixKey& key : keys) {
    if (key.scope == MatrixScope::kRequest) continue;
    absl::Status status = SaveOne(key);
    if (!status.ok()) Log(LogLevel::kError, "snapshot not saved", {{"error", status.ToString()}});
    first_error.Update(status);
  }
  return first_error;
}

absl::Status SnapshotDir::SaveOne(const MatrixKey& key) {
  const auto found = store_->Find(key);
  if (!found.ok()) return absl::OkStatus();  // the store has dropped it since List()
  const std::shared_ptr<ScopeMemory>& memory = *found;
  // Read this number before the rows. If a row changes during the save, the next save writes it.
  const std::uint64_t updates = memory->matrix.row_updates();
  if (updates == 0) return absl::OkStatus();  // a cold matrix is not worth a file
  const auto saved = saved_.find(key);
  if (saved != saved_.end() && saved->second.memory.lock() == memory &&
      saved->second.row_updates == updates) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(
      WriteFileDurably(absl::StrCat(directory_, "/", SnapshotFileName(drafter_id_, key)),
                       EncodeSnapshot(store_->binding()->model, *memory)));
  saved_[key] = {memory, updates};
  return absl::OkStatus();
}

}  // namespace recycling::drafter
