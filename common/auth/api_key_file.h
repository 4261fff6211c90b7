// A file of API keys that is read again when it changes.
#ifndef RECYCLING_COMMON_AUTH_API_KEY_FILE_H_
#define RECYCLING_COMMON_AUTH_API_KEY_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/api_keys.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace recycling {

// Threads: any.
class ApiKeyFile {
 public:
  // Reads the file. InvalidArgument, with `path` and the reason, if the file cannot be read, has
  // more than 2 MiB, or does not have the format of api_keys.h. `clock` must outlive the result.
  static absl::StatusOr<std::unique_ptr<ApiKeyFile>> Open(const std::string& path,
                                                          const Clock& clock);

  // The keys now. At most once a second it checks whether the file has changed, and reads it again
  // if so. If the new file is wrong, it logs this once and the keys stay as they were. To replace
  // the file, write a complete new one and rename it.
  std::shared_ptr<const ApiKeys> Get();

 private:
  // Inode, size and time of the last change. It shows whether the file was replaced.
  using Version = std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::int64_t>;

  ApiKeyFile(const std::string& path, const Clock& clock) : path_(path), clock_(clock) {}

  absl::StatusOr<Version> VersionNow() const;
  absl::StatusOr<ApiKeys> Read() const;
  void Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  const Clock& clock_;
  Mutex mutex_;
  std::shared_ptr<const ApiKeys> keys_ ABSL_GUARDED_BY(mutex_);
  Version version_ ABSL_GUARDED_BY(mutex_);
  bool missing_ ABSL_GUARDED_BY(mutex_) = false;  // the last check found no file
  absl::Duration looked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_AUTH_API_KEY_FILE_H_
