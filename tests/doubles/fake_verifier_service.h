// The FakeVerifierClient behind a real gRPC service, for InProcessChannel or a port.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_SERVICE_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_SERVICE_H_

#include <functional>

#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/doubles/fake_verifier_client.h"

namespace recycling::doubles {

// Faults look as they do on the wire: silence lasts until the caller cancels, half-closes or runs
// out of its deadline; a dropped stream ends with OK and without the answer. An open that names
// another model or numerics id than the fake's own is FAILED_PRECONDITION. Threads: any.
class FakeVerifierService final : public verifier::v1::VerifierService::Service {
 public:
  explicit FakeVerifierService(FakeVerifierOptions options = {});

  grpc::Status Handshake(grpc::ServerContext* context,
                         const verifier::v1::HandshakeRequest* request,
                         verifier::v1::HandshakeResponse* response) override;
  grpc::Status GetTokenizer(
      grpc::ServerContext* context, const verifier::v1::GetTokenizerRequest* request,
      grpc::ServerWriter<verifier::v1::GetTokenizerResponse>* writer) override;
  grpc::Status Decode(grpc::ServerContext* context,
                      grpc::ServerReaderWriter<verifier::v1::DecodeResponse,
                                               verifier::v1::DecodeRequest>* stream) override;
  grpc::Status Verify(grpc::ServerContext* context, const verifier::v1::VerifyRequest* request,
                      verifier::v1::VerifyResponse* response) override;

  // Changes what Handshake answers, for example to another model. Before serving.
  void set_edit_handshake(std::function<void(verifier::v1::HandshakeResponse&)> edit) {
    edit_handshake_ = std::move(edit);
  }

  FakeVerifierClient& fake() { return fake_; }

 private:
  FakeVerifierClient fake_;
  std::function<void(verifier::v1::HandshakeResponse&)> edit_handshake_;
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_SERVICE_H_
