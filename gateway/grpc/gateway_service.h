// The gRPC door of the gateway: recycling.gateway.v1.GatewayService. It checks who calls, converts
// messages, and leaves all else to the RequestRunner.
//
// Who calls is told by an API key, where there are keys (caller_check.h): Generate takes one for
// inference, GetStats and Drain take one for administration, the other methods any.
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
  std::shared_ptr<const CallerCheck> callers;            // null: no keys
  std::function<void()> on_drain;                        // Drain was called; may be empty
  std::function<void(v1::GetStatsResponse*)> add_peers;  // fills peers; may be empty
};

// Generate and Tokenize take raw bytes: a text that is not UTF-8 makes a message that does not
// parse, which generated code would answer with UNIMPLEMENTED and no reason.
using GatewayServiceBase = v1::GatewayService::WithRawCallbackMethod_Generate<
    v1::GatewayService::WithRawCallbackMethod_Tokenize<
        v1::GatewayService::WithCallbackMethod_GetModel<
            v1::GatewayService::WithCallbackMethod_Detokenize<
                v1::GatewayService::WithCallbackMethod_GetStats<
                    v1::GatewayService::WithCallbackMethod_Drain<v1::GatewayService::Service>>>>>>;

// Threads: any. Destroy after the server is shut down.
class GatewayService final : public GatewayServiceBase {
 public:
  // `runner` and `clock` must outlive the service.
  GatewayService(GatewayServiceOptions options, RequestRunner& runner, const Clock& clock);

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Generate(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request) override;
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

  // What GetStats says, as metrics; see gateway_metrics.h.
  void AddMetrics(MetricSet* metrics) const;

 private:
  // The caller of a method other than Generate; counts one that may not call it.
  absl::StatusOr<Caller> Identify(const grpc::CallbackServerContext& context, Access access);
  // Begins a Tokenize or Detokenize call, if its caller may make it and the tenant's limits allow
  // it.
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
