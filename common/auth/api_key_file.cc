#include "common/auth/api_key_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

constexpr absl::Duration kBetweenLooks = absl::Seconds(1);
constexpr std::size_t kMostBytes = 2 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<ApiKeyFile>> ApiKeyFile::Open(const std::string& path,
                                                             const Clock& clock) {
  std::unique_ptr<ApiKeyFile> file(new ApiKeyFile(path, clock));
  MutexLock lock(file->mutex_);
  ASSIGN_OR_RETURN(file->version_, file->VersionNow());
  ASSIGN_OR_RETURN(ApiKeys keys, file->Read());
  file->keys_ = std::make_shared<const ApiKeys>(std::move(keys));
  file->looked_ = clock.Monotonic();
  return file;
}

std::shared_ptr<const ApiKeys> ApiKeyFile::Get() {
  MutexLock lock(mutex_);
  if (clock_.Monotonic() - looked_ >= kBetweenLooks) {
    looked_ = clock_.Monotonic();
    Refresh();
  }
  return keys_;
}

void ApiKeyFile::Refresh() {
  const auto version = VersionNow();
  if (!version.ok()) {
    if (!missing_) {
      Log(LogLevel::kWarning, "cannot read the API keys again; the old ones stay in use",
          {{"error", std::string(version.status().message())}});
    }
    missing_ = true;
    return;
  }
  if (*version == version_ && !missing_) return;
  missing_ = false;
  version_ = *version;
  auto keys = Read();
  if (!keys.ok()) {
    Log(LogLevel::kWarning, "cannot read the API keys again; the old ones stay in use",
        {{"error", std::string(keys.status().message())}});
    return;
  }
  Log(LogLevel::kInfo, "API keys read", {{"keys", absl::StrCat(keys->size())}});
  keys_ = std::make_shared<const ApiKeys>(*std::move(keys));
}

absl::StatusOr<ApiKeyFile::Version> ApiKeyFile::VersionNow() const {
  struct stat info;
  if (stat(path_.c_str(), &info) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("api_keys: cannot read ", path_, ": ", std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("api_keys: ", path_, " is not a file"));
  }
  return Version(info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

absl::StatusOr<ApiKeys> ApiKeyFile::Read() const {
  std::ifstream file(path_, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.eof() || file.bad()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "api_keys: cannot read ", path_, " whole, or it has more than ", kMostBytes, " bytes"));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  auto keys = ApiKeys::Parse(text);
  if (keys.ok()) return keys;
  return absl::InvalidArgumentError(
      absl::StrCat("api_keys: ", path_, ": ", keys.status().message()));
}

}  // namespace recycling
