#ifndef RECYCLING_DRAFTER_SERVICE_SESSION_LOG_H_
#define RECYCLING_DRAFTER_SERVICE_SESSION_LOG_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/rpc/call_metadata.h"
#include "recycling/drafter/v1/drafter.pb.h"

namespace recycling::drafter {

// One session's line in the log, at level debug: the tenant, what the session did, how it ended. It
// costs nothing if that level is not logged. Call order: Opened? (Stepped Answered?)* Ended.
// Threads: one at a time.
class SessionLog {
 public:
  explicit SessionLog(const CallMetadata& metadata);

  void Opened(const v1::OpenSession& open);
  void Stepped(const v1::DraftStep& step);
  void Answered(const v1::DraftResponse& response);
  void Ended(const absl::Status& status);

 private:
  std::optional<CallOrigin> origin_;  // absent: the level is not logged
  std::string tenant_;
  std::uint64_t steps_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t drafts_ = 0;
  std::uint64_t nodes_ = 0;
  std::uint64_t micros_ = 0;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_SESSION_LOG_H_
