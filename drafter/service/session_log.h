#ifndef RECYCLING_DRAFTER_SERVICE_SESSION_LOG_H_
#define RECYCLING_DRAFTER_SERVICE_SESSION_LOG_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/rpc/call_metadata.h"
#include "recycling/drafter/v1/drafter.pb.h"

namespace recycling::drafter {

// Counts the work of one session, and logs one line at its end, at level debug. The line says the
// tenant, the counts and the final status. If level debug is off, nothing is logged. Call order:
// Opened? (Stepped Answered?)* Ended. Threads: the caller makes one call at a time.
class SessionLog {
 public:
  // The caller of a gRPC call with this metadata, or a caller within this process.
  explicit SessionLog(const CallMetadata& metadata);
  explicit SessionLog(const CallOrigin& caller);

  void Opened(const v1::OpenSession& open);
  void Stepped(const v1::DraftStep& step);
  void Answered(const v1::DraftResponse& response);
  void Ended(const absl::Status& status);

 private:
  std::optional<CallOrigin> origin_;  // absent: level debug is off
  std::string tenant_;
  std::uint64_t steps_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t drafts_ = 0;
  std::uint64_t nodes_ = 0;
  std::uint64_t micros_ = 0;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_SESSION_LOG_H_
