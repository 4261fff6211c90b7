#include "common/rpc/call_interceptor.h"

#include <grpc/grpc.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <optional>
#include <string>
#include <string_view>

#include "common/rpc/cancel_call.h"
#include "common/rpc/status_grpc.h"

namespace recycling {
namespace {

using ::grpc::experimental::InterceptionHookPoints;
using ::grpc::experimental::InterceptorBatchMethods;
using ::grpc::experimental::ServerRpcInfo;

constexpr std::string_view kOwnServices = "/grpc.";  // of gRPC itself: reflection, health

// In gRPC 1.51 the peer of an in-process call is "unknown". In other versions it begins with
// "inproc". The peer of a call over a socket is an address.
bool IsInProcess(std::string_view peer) { return peer == "unknown" || peer.starts_with("inproc"); }

// Keeps a call from being freed, so that it can be cancelled on any thread.
class HeldCall {
 public:
  explicit HeldCall(grpc_call* call) : call_(call) { grpc_call_ref(call_); }
  ~HeldCall() { grpc_call_unref(call_); }
  HeldCall(const HeldCall&) = delete;
  HeldCall& operator=(const HeldCall&) = delete;

  void Cancel(const absl::Status& why) const { CancelCall(call_, why); }

 private:
  grpc_call* const call_;
};

// One call. gRPC runs the hooks of a call one after another, and sends one message at a time.
class CallInterceptor final : public grpc::experimental::Interceptor {
 public:
  CallInterceptor(OpenCalls& calls, ServerRpcInfo& info) : calls_(calls), info_(info) {}
  ~CallInterceptor() override {
    if (id_.has_value()) calls_.Close(*id_);
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Open();
    }
    if (id_.has_value()) Answers(methods);
    methods->Proceed();
  }

 private:
  void Open() {
    grpc::ServerContextBase& context = *info_.server_context();
    std::string peer = context.peer();
    if (IsInProcess(peer)) return;
    const auto held = std::make_shared<HeldCall>(context.c_call());
    id_ = calls_.Open({.connection = std::move(peer),
                       .public_stream = info_.type() != ServerRpcInfo::Type::UNARY &&
                                        std::string_view(info_.method()).starts_with(kOwnServices),
                       .end = [held](const absl::Status& why) { held->Cancel(why); }});
  }

  void Answers(InterceptorBatchMethods* methods) {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      grpc::ByteBuffer* message = methods->GetSerializedSendMessage();
      if (!calls_.AddUnread(*id_, message->Length()).ok()) message->Clear();  // is not sent then
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const absl::Status status = calls_.status(*id_);
      if (!status.ok()) methods->ModifySendStatus(ToGrpcStatus(status));
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_SEND_MESSAGE)) {
      calls_.ClearUnread(*id_);
    }
  }

  OpenCalls& calls_;
  ServerRpcInfo& info_;  // owns this
  std::optional<OpenCalls::Id> id_;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(OpenCalls& calls) : calls_(calls) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new CallInterceptor(calls_, *info);
  }

 private:
  OpenCalls& calls_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
CallInterceptors(OpenCalls& calls) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<Factory>(calls));
  return factories;
}

}  // namespace recycling
