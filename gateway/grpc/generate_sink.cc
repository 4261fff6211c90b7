#include "gateway/grpc/generate_sink.h"

#include "gateway/grpc/gateway_proto.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::gateway {

void GenerateSink::Start(const OutputStart& start) {
  v1::GenerateResponse response;
  response.mutable_started()->set_request_id(start.request_id);
  response.mutable_started()->set_prompt_tokens(start.prompt_tokens);
  response.mutable_started()->set_seed(start.seed);
  writer_->Write(response);
}

void GenerateSink::Show(const OutputDelta& delta) {
  v1::GenerateResponse response;
  DeltaToProto(delta, response.mutable_delta());
  writer_->Write(response);
}

void GenerateSink::Finish(const OutputSummary& summary) {
  v1::GenerateResponse response;
  FinalToProto(summary, response.mutable_final());
  writer_->Write(response);
}

}  // namespace recycling::gateway
