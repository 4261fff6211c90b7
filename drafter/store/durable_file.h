// Writes files so that a crash leaves either the old file or the new one.
#ifndef RECYCLING_DRAFTER_STORE_DURABLE_FILE_H_
#define RECYCLING_DRAFTER_STORE_DURABLE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace recycling::drafter {

// Writes `bytes` to `path`.tmp, flushes them to the disk, renames and flushes the directory: when
// this returns OK, the file survives a loss of power. On error the old file is untouched and the
// temporary one removed. ResourceExhausted for a full disk or a size limit, PermissionDenied,
// NotFound for a missing directory, InvalidArgument if `path`.tmp is there already and is no
// regular file, else what the errno says; the message names the path. One writer a path at a time.
absl::Status WriteFileDurably(const std::string& path, std::string_view bytes);

// The whole file. InvalidArgument if it is no regular file: to read a FIFO or a device may take for
// ever. ResourceExhausted if it has more than max_bytes; else as above.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::uint64_t max_bytes);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_DURABLE_FILE_H_
