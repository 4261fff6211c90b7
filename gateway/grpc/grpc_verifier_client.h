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
  // Does the handshake over `channel`, within `timeout`. Returns the verifier's own error;
  // FailedPrecondition if it speaks another version of the protocol; Internal if its answer is
  // malformed.
  static absl::StatusOr<std::shared_ptr<GrpcVerifierClient>> Connect(
      std::shared_ptr<grpc::Channel> channel, const std::string& address, absl::Duration timeout);

  // The tokenizer's data, within `timeout`. DataLoss if its digest is not the one of the handshake.
  absl::StatusOr<TokenizerData> FetchTokenizer(absl::Duration timeout) const;

  // Open names the model and numerics id of the handshake. Another verifier that has taken the
  // address since then refuses that, and Open is Unavailable, as if the first verifier were lost.
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
