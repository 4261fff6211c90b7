// Implements DrafterClient over gRPC.
#ifndef RECYCLING_GATEWAY_GRPC_GRPC_DRAFTER_CLIENT_H_
#define RECYCLING_GATEWAY_GRPC_GRPC_DRAFTER_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/decoding/model_identity.h"
#include "common/rpc/peer_streams.h"
#include "gateway/clients/drafter_client.h"

namespace recycling::gateway {

class GrpcDrafterClient final : public DrafterClient {
 public:
  // Makes a client after a handshake over `channel`, for `model` with `k` candidates for each row.
  // Blocks for at most `timeout`. Returns the drafter's own error, or FailedPrecondition if it
  // serves another model or speaks another protocol version. `clock` measures the waits for drafts.
  // It must outlive the client and its sessions. Sessions use the streams that `open` makes; null:
  // gRPC streams over `channel`.
  static absl::StatusOr<std::shared_ptr<GrpcDrafterClient>> Connect(
      std::shared_ptr<grpc::Channel> channel, const std::string& address,
      const ModelIdentity& model, std::uint32_t k, absl::Duration timeout,
      const Clock& clock = RealClock(), OpenDraftStream open = nullptr);

  std::unique_ptr<DrafterSession> NewSession(OpenDrafting open, absl::Time deadline,
                                             const CallOrigin& origin) override;
  const std::string& address() const override { return address_; }
  bool shared_scope_allowed() const override { return shared_scope_allowed_; }

 private:
  GrpcDrafterClient(std::string address, OpenDraftStream open, ModelIdentity model, std::uint32_t k,
                    const Clock& clock);

  const std::string address_;
  const OpenDraftStream open_;
  const ModelIdentity model_;
  const std::uint32_t k_;
  const Clock& clock_;
  bool shared_scope_allowed_ = false;  // constant after Connect
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GRPC_DRAFTER_CLIENT_H_
