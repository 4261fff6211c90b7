// A real gRPC service that answers with a FakeVerifierClient, for InProcessChannel or a port.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_SERVICE_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_SERVICE_H_

#include <functional>

#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/doubles/fake_verifier_client.h"

namespace recycling::doubles {

// In a silent step it does not answer until the caller cancels, half-closes or reaches its
// deadline. It ends a dropped stream with OK and without the answer. It answers an open for another
// model or numerics id than its own with FAILED_PRECONDITION. Threads: any thread may call it.
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

  // Sets a function that changes the answer of Handshake, for example to another model. Call it
  // before the server starts.
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
