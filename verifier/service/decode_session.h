#ifndef RECYCLING_VERIFIER_SERVICE_DECODE_SESSION_H_
#define RECYCLING_VERIFIER_SERVICE_DECODE_SESSION_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/decoding/model_identity.h"
#include "recycling/verifier/v1/verifier.pb.h"
#include "verifier/schedule/scheduler.h"
#include "verifier/service/drain_gate.h"
#include "verifier/service/rpc_sequence.h"
#include "verifier/service/sequence_log.h"

namespace recycling::verifier {

// Reads an open request. Returns Unavailable while a pass hangs (Scheduler::CheckPasses), and the
// errors of CheckMeansThisVerifier and SequenceOptionsFromProto.
absl::StatusOr<SequenceOptions> ReadOpen(const v1::OpenSequence& open, const ModelIdentity& model,
                                         const Scheduler& scheduler);

// The protocol of one Decode stream, without its transport: a message that opens the sequence, then
// messages with steps. Threads: any thread may call Cancel at any time. The caller makes all other
// calls one at a time, and none during an operation.
class DecodeSession {
 public:
  // The scheduler's thread calls `answered` once for each operation, at its end. OK: the response
  // is filled. Else the caller must End the session with this status, and may do so in the call.
  // `scheduler`, `model` and `gate` must outlive the session.
  DecodeSession(Scheduler& scheduler, const ModelIdentity& model, DrainGate& gate, SequenceLog log,
                std::function<void(const absl::Status&)> answered)
      : scheduler_(scheduler),
        model_(model),
        gate_(gate),
        sequence_(scheduler),
        log_(std::move(log)),
        answered_(std::move(answered)) {}

  DecodeSession(const DecodeSession&) = delete;
  DecodeSession& operator=(const DecodeSession&) = delete;

  // Starts the operation of `request`. Both messages must not change during the operation. If it
  // returns an error, it has started nothing, and the caller must End the session.
  absl::Status Begin(const v1::DecodeRequest& request, v1::DecodeResponse* response);

  // The operation soon ends with Cancelled, unless it has just succeeded. So do later ones.
  void Cancel() { sequence_.Cancel(); }

  // Frees the slot and logs how the session ended. Call it once, also without an open sequence.
  void End(const absl::Status& status);

 private:
  absl::Status Open(const v1::OpenSequence& open, v1::DecodeResponse* response);
  absl::Status Verify(const v1::VerifyStep& step, v1::DecodeResponse* response);

  Scheduler& scheduler_;
  const ModelIdentity& model_;
  DrainGate& gate_;
  RpcSequence sequence_;
  SequenceLog log_;
  const std::function<void(const absl::Status&)> answered_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_DECODE_SESSION_H_
