// The gRPC service of the gateway, recycling.gateway.v1.GatewayService. It checks the caller,
// converts messages, and passes requests to the RequestRunner.
//
// If the gateway has API keys (caller_check.h), every call needs one. Generate and Chat need a key
// for inference. GetStats and Drain need a key for administration. The other methods accept any
// key.
#ifndef RECYCLING_GATEWAY_GRPC_GATEWAY_SERVICE_H_
#define RECYCLING_GATEWAY_GRPC_GATEWAY_SERVICE_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "common/base/metrics.h"
#include "common/rpc/caller_check.h"
#include "gateway/front/request_runner.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

namespace recycling::gateway {

struct GatewayServiceOptions {
  std::shared_ptr<const CallerCheck> callers;  // null: callers need no key
  std::function<void()> on_drain;              // runs when a client calls Drain; may be empty
  // Fills GetStatsResponse.peers. May be empty.
  std::function<void(v1::GetStatsResponse*)> add_peers;
};

// The calls whose requests hold texts take raw bytes. A message with a text that is not UTF-8
// cannot be parsed. Generated code would then answer UNIMPLEMENTED without a reason.
using GatewayServiceBase = v1::GatewayService::WithRawCallbackMethod_Generate<
    v1::GatewayService::WithRawCallbackMethod_Chat<
        v1::GatewayService::WithRawCallbackMethod_ApplyTemplate<
            v1::GatewayService::WithRawCallbackMethod_Tokenize<
                v1::GatewayService::WithCallbackMethod_GetModel<
                    v1::GatewayService::WithCallbackMethod_Detokenize<
                        v1::GatewayService::WithCallbackMethod_GetStats<
                            v1::GatewayService::WithCallbackMethod_Drain<
                                v1::GatewayService::Service>>>>>>>>;

// Threads: any. The owner destroys the service after it has shut down the server.
class GatewayService final : public GatewayServiceBase {
 public:
  // `runner` and `clock` must outlive the service.
  GatewayService(GatewayServiceOptions options, RequestRunner& runner, const Clock& clock);

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Generate(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Chat(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* ApplyTemplate(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override;
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context,
                                     const v1::GetStatsRequest* request,
                                     v1::GetStatsResponse* response) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;

  // Adds the statistics of GetStats as metrics; see gateway_metrics.h.
  void AddMetrics(MetricSet* metrics) const;

 private:
  // Returns the caller of a method other than Generate. If the caller may not call it, counts the
  // refusal and returns the error.
  absl::StatusOr<Caller> Identify(const grpc::CallbackServerContext& context, Access access);
  // Runs a Generate or Chat call.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Run(grpc::CallbackServerContext* context,
                                                  IncomingRequest incoming);
  // Begins a call that needs no verifier, such as Tokenize. Returns an error if the caller may not
  // make it, or if the limits of the tenant do not allow it.
  absl::StatusOr<std::unique_ptr<RequestQueue::ShortCall>> BeginShort(
      const grpc::CallbackServerContext& context);
  v1::GetStatsResponse Stats() const;

  const GatewayServiceOptions options_;
  const std::shared_ptr<const CallerCheck> callers_;  // never null
  RequestRunner& runner_;
  const Clock& clock_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GATEWAY_SERVICE_H_
