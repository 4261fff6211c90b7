// Writes files so that a crash leaves either the old file or the new one.
#ifndef RECYCLING_DRAFTER_STORE_DURABLE_FILE_H_
#define RECYCLING_DRAFTER_STORE_DURABLE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace recycling::drafter {

// Writes `bytes` to `path`.tmp, flushes the file to the disk, renames it to `path`, and flushes the
// directory. After OK, the file survives a loss of power. On an error before the rename, the old
// file is unchanged, and the temporary file is removed. Returns ResourceExhausted if the disk is
// full or a size limit is reached, PermissionDenied, NotFound if the directory is missing,
// InvalidArgument if `path`.tmp exists and is not a regular file, or the code for another errno.
// The message names the path. The caller makes sure that each path has only one writer at a time.
absl::Status WriteFileDurably(const std::string& path, std::string_view bytes);

// Returns the whole file. Returns InvalidArgument if it is not a regular file, because reading a
// FIFO or a device may never end. Returns ResourceExhausted if it has more than max_bytes bytes.
// Other errors are as above.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::uint64_t max_bytes);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_DURABLE_FILE_H_
