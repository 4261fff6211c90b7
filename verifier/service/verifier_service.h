// The verifier's wire side: converts, calls the scheduler, converts back. No call blocks a thread:
// passes run on the scheduler's thread, whose callbacks write the answers.
#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_SERVICE_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/decoding/model_identity.h"
#include "common/rpc/caller_check.h"
#include "common/rpc/idle_streams.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "verifier/schedule/scheduler.h"
#include "verifier/service/drain_gate.h"

namespace recycling::verifier {

// What the handshake says of the model and the program.
struct VerifierFacts {
  ModelIdentity model;
  std::string build;
  std::string model_description;
  std::shared_ptr<const CallerCheck> callers = nullptr;  // null: no keys; else calls take one
  std::vector<std::string> tokenizer_chunks;  // of a serialized TokenizerData, each at most 1 MiB
};

// Threads: all methods may be called from any thread. Every call must have ended before the service
// is destroyed: shut the server down first.
class VerifierService final : public v1::VerifierService::CallbackService {
 public:
  // `scheduler` and `clock` must outlive the service. A Decode stream whose client is silent for
  // longer than `stream_idle_timeout` on its turn is ended; 0: never.
  VerifierService(Scheduler& scheduler, VerifierFacts facts,
                  absl::Duration stream_idle_timeout = absl::ZeroDuration(),
                  const Clock& clock = RealClock());

  // While a pass hangs (Scheduler::CheckPasses) handshakes and new sequences are Unavailable.
  grpc::ServerUnaryReactor* Handshake(grpc::CallbackServerContext* context,
                                      const v1::HandshakeRequest* request,
                                      v1::HandshakeResponse* response) override;
  grpc::ServerWriteReactor<v1::GetTokenizerResponse>* GetTokenizer(
      grpc::CallbackServerContext* context, const v1::GetTokenizerRequest* request) override;
  grpc::ServerBidiReactor<v1::DecodeRequest, v1::DecodeResponse>* Decode(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const v1::VerifyRequest* request,
                                   v1::VerifyResponse* response) override;

  // To be called about every second. Ends streams that are idle with DeadlineExceeded and frees
  // what they hold; one whose client does not even read its answer is cancelled a call later.
  void EndIdleStreams() { streams_.Sweep(); }

  // From now on handshakes say so and new sequences are Unavailable. Returns once the ones that
  // run have ended; after `grace` they are cancelled.
  void Drain(absl::Duration grace) { gate_.Drain(grace); }

 private:
  absl::Status Check(const grpc::CallbackServerContext& context) const;

  Scheduler& scheduler_;
  const VerifierFacts facts_;
  DrainGate gate_;
  IdleStreams streams_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_SERVICE_H_
