#include "common/rpc/health_client.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/rpc/status_grpc.h"
#include "recycling/common/v1/grpc_messages.pb.h"

namespace recycling {

absl::StatusOr<bool> CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                                 const std::string& service, absl::Duration timeout) {
  common::v1::HealthCheckRequest request;
  request.set_service(service);
  const grpc::Slice bytes(request.SerializeAsString());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check",
                                          grpc::ByteBuffer(&bytes, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  RETURN_IF_ERROR(FromGrpcStatus(status));
  common::v1::HealthCheckResponse response;
  grpc::ProtoBufferReader reader(&answer);
  if (!response.ParseFromZeroCopyStream(&reader)) {
    return absl::DataLossError("health: the answer is not a HealthCheckResponse");
  }
  return response.status() == common::v1::HealthCheckResponse::SERVING_STATUS_SERVING;
}

}  // namespace recycling
