// A call that ends with an error before it begins.
#ifndef RECYCLING_COMMON_RPC_REFUSED_CALL_H_
#define RECYCLING_COMMON_RPC_REFUSED_CALL_H_

#include <grpcpp/grpcpp.h>

namespace recycling {

// `Reactor` is one of gRPC's server reactors. Create it with new; it deletes itself when gRPC is
// done with the call.
template <typename Reactor>
class RefusedCall final : public Reactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_REFUSED_CALL_H_
