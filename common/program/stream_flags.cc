#include "common/program/stream_flags.h"

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"

ABSL_FLAG(absl::Duration, stream_idle_timeout, absl::Minutes(5),
          "A stream whose client sends nothing for so long while it is its turn is ended, and what "
          "it holds is freed; 1s to 24h. 0: never.");

namespace recycling {

absl::StatusOr<absl::Duration> StreamIdleTimeoutFromFlag() {
  const absl::Duration timeout = absl::GetFlag(FLAGS_stream_idle_timeout);
  const bool bounds = timeout >= absl::Seconds(1) && timeout <= absl::Hours(24);
  if (bounds || timeout == absl::ZeroDuration()) return timeout;
  return absl::InvalidArgumentError(absl::StrCat(
      "--stream_idle_timeout: got ", absl::FormatDuration(timeout), ", expected 0 or 1s to 24h"));
}

}  // namespace recycling
