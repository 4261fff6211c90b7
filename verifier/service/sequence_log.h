#ifndef RECYCLING_VERIFIER_SERVICE_SEQUENCE_LOG_H_
#define RECYCLING_VERIFIER_SERVICE_SEQUENCE_LOG_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/rpc/call_metadata.h"
#include "verifier/schedule/sequence_types.h"

namespace recycling::verifier {

// Collects what one sequence did and writes one line of it to the log at level debug: who asked for
// it, how it ended, what it took. Does nothing if that level is not logged. Call order: Opened?
// Stepped* Ended. Threads: one at a time.
class SequenceLog {
 public:
  explicit SequenceLog(const CallMetadata& metadata);

  void Opened(const OpenResult& result);
  void Stepped(const StepResult& result);
  void Ended(const absl::Status& status);

 private:
  void Add(const StepTimings& timings);

  std::optional<CallOrigin> origin_;  // absent: level debug is not logged
  std::uint32_t base_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t tokens_ = 0;
  StepTimings timings_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_SEQUENCE_LOG_H_
