// The gRPC service of the verifier. It converts requests, calls the scheduler and converts the
// results. No call blocks a thread, because the callbacks of the scheduler write the answers.
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
#include "common/rpc/peer_streams.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "verifier/schedule/scheduler.h"
#include "verifier/service/drain_gate.h"

namespace recycling::verifier {

// Facts about the model and the program.
struct VerifierFacts {
  ModelIdentity model;
  std::string build;
  std::string model_description;
  std::string chat_template = {};  // UTF-8 of at most chat::kMaxTemplateBytes; may be empty
  // Checks that a caller has the role "peer" (common/auth). The service trusts the tenant names
  // that peers send. Null: anybody may call.
  std::shared_ptr<const CallerCheck> callers = nullptr;
  // One serialized TokenizerData, cut into chunks of at most 1 MiB.
  std::vector<std::string> tokenizer_chunks;
};

// Threads: all methods may be called from any thread. Shut down the server before you destroy the
// service, so that no call is in progress.
class VerifierService final : public v1::VerifierService::CallbackService {
 public:
  // `scheduler` and `clock` must outlive the service. The service ends a Decode stream if it waits
  // for the client and the client sends nothing for longer than `stream_idle_timeout`; 0: never.
  VerifierService(Scheduler& scheduler, VerifierFacts facts,
                  absl::Duration stream_idle_timeout = absl::ZeroDuration(),
                  const Clock& clock = RealClock());

  // While a pass hangs (Scheduler::CheckPasses), handshakes and new sequences get Unavailable.
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

  // See VerifierServer::OpenDecode.
  std::unique_ptr<DecodeStream> OpenDecode(absl::Time deadline, const CallOrigin& origin);

  // Ends idle streams with DeadlineExceeded and frees their sequences. If the client of an idle
  // stream has not read its last answer either, the next call of this method cancels the stream.
  // Call this about every second.
  void EndIdleStreams() { streams_.Sweep(); }

  // From now on handshakes say that the verifier drains, and new sequences get Unavailable. Waits
  // until the open sequences have ended. After `grace` it cancels the rest.
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
