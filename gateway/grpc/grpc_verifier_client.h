// VerifierClient over gRPC.
#ifndef RECYCLING_GATEWAY_GRPC_GRPC_VERIFIER_CLIENT_H_
#define RECYCLING_GATEWAY_GRPC_GRPC_VERIFIER_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/tokenizer/tokenizer.h"
#include "gateway/clients/verifier_client.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"

namespace recycling::gateway {

class GrpcVerifierClient final : public VerifierClient {
 public:
  // Handshake over `channel`, within `timeout`. The verifier's own error; FailedPrecondition if it
  // speaks another version of the protocol; Internal if its answer makes no sense.
  static absl::StatusOr<std::shared_ptr<GrpcVerifierClient>> Connect(
      std::shared_ptr<grpc::Channel> channel, const std::string& address, absl::Duration timeout);

  // The tokenizer's data, whose digest is the one of the handshake, within `timeout`.
  absl::StatusOr<TokenizerData> FetchTokenizer(absl::Duration timeout) const;

  // Its Open says what the handshake said, so that a verifier that has taken the address since
  // refuses it: Unavailable, as if the first one were lost.
  std::unique_ptr<VerifierSession> NewSession(absl::Time deadline,
                                              const CallOrigin& origin) override;
  const VerifierInfo& info() const override { return info_; }
  const std::string& address() const override { return address_; }

 private:
  GrpcVerifierClient(std::shared_ptr<grpc::Channel> channel, std::string address);

  const std::string address_;
  const std::shared_ptr<verifier::v1::VerifierService::Stub> stub_;
  VerifierInfo info_;  // constant after Connect
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GRPC_VERIFIER_CLIENT_H_
