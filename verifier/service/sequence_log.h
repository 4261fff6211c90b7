#ifndef RECYCLING_VERIFIER_SERVICE_SEQUENCE_LOG_H_
#define RECYCLING_VERIFIER_SERVICE_SEQUENCE_LOG_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/rpc/call_metadata.h"
#include "verifier/schedule/sequence_types.h"

namespace recycling::verifier {

// Collects the work of one sequence and writes one log line about it at level debug: who asked for
// the sequence, how it ended, and how much time it took. Does nothing if that level is not logged.
// Call order: Opened? Stepped* Ended. Threads: only one thread at a time may use an object.
class SequenceLog {
 public:
  // The caller of a gRPC call with this metadata, or a caller within this process.
  explicit SequenceLog(const CallMetadata& metadata);
  explicit SequenceLog(const CallOrigin& caller);

  void Opened(const OpenResult& result);
  void Stepped(const StepResult& result);
  void Ended(const absl::Status& status);

 private:
  void Add(const StepTimings& timings);

  std::optional<CallOrigin> origin_;  // absent if level debug is not logged
  std::uint32_t base_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t tokens_ = 0;
  StepTimings timings_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_SEQUENCE_LOG_H_
