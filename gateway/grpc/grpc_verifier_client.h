// Implements VerifierClient over gRPC.
#ifndef RECYCLING_GATEWAY_GRPC_GRPC_VERIFIER_CLIENT_H_
#define RECYCLING_GATEWAY_GRPC_GRPC_VERIFIER_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/peer_streams.h"
#include "common/tokenizer/tokenizer.h"
#include "gateway/clients/verifier_client.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"

namespace recycling::gateway {

class GrpcVerifierClient final : public VerifierClient {
 public:
  // Makes a client after a handshake over `channel`. Blocks for at most `timeout`. Returns the
  // verifier's own error, FailedPrecondition if it speaks another protocol version, and Internal if
  // its answer is malformed. Sessions use the streams that `open` makes; null: gRPC streams over
  // `channel`.
  static absl::StatusOr<std::shared_ptr<GrpcVerifierClient>> Connect(
      std::shared_ptr<grpc::Channel> channel, const std::string& address, absl::Duration timeout,
      OpenDecodeStream open = nullptr);

  // Fetches the tokenizer's data. Blocks for at most `timeout`. Returns DataLoss if the digest of
  // the data differs from the one in the handshake.
  absl::StatusOr<TokenizerData> FetchTokenizer(absl::Duration timeout) const;

  // The session's Open sends the model and the numerics id of the handshake. If a verifier with
  // another model or numerics id now has this address, it refuses the call. Then Open returns
  // Unavailable, as if the first verifier were lost.
  std::unique_ptr<VerifierSession> NewSession(absl::Time deadline,
                                              const CallOrigin& origin) override;
  const VerifierInfo& info() const override { return info_; }
  const std::string& address() const override { return address_; }

 private:
  GrpcVerifierClient(std::shared_ptr<verifier::v1::VerifierService::Stub> stub, std::string address,
                     OpenDecodeStream open);

  const std::string address_;
  const std::shared_ptr<verifier::v1::VerifierService::Stub> stub_;
  const OpenDecodeStream open_;
  VerifierInfo info_;  // constant after Connect
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GRPC_VERIFIER_CLIENT_H_
