// A real gRPC service that answers with a FakeDrafterClient, for InProcessChannel or a port.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_SERVICE_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_SERVICE_H_

#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "tests/doubles/fake_drafter_client.h"

namespace recycling::doubles {

// Serves the toy model's identity and one k. Handshake and Draft answer any other model or k with
// FAILED_PRECONDITION. Calls that save and load matrices are UNIMPLEMENTED. In a silent step it
// does not answer, and it ends a dropped stream with OK. Threads: any thread may call it.
class FakeDrafterService final : public drafter::v1::DrafterService::Service {
 public:
  // `k` is the number of candidates per row that it accepts.
  explicit FakeDrafterService(FakeDrafterOptions options = {}, std::uint32_t k = 8);

  grpc::Status Handshake(grpc::ServerContext* context, const drafter::v1::HandshakeRequest* request,
                         drafter::v1::HandshakeResponse* response) override;
  grpc::Status Draft(grpc::ServerContext* context,
                     grpc::ServerReaderWriter<drafter::v1::DraftResponse,
                                              drafter::v1::DraftRequest>* stream) override;
  grpc::Status Propose(grpc::ServerContext* context, const drafter::v1::ProposeRequest* request,
                       drafter::v1::ProposeResponse* response) override;
  grpc::Status Observe(grpc::ServerContext* context, const drafter::v1::ObserveRequest* request,
                       drafter::v1::ObserveResponse* response) override;
  grpc::Status GetMatrixInfo(grpc::ServerContext* context,
                             const drafter::v1::GetMatrixInfoRequest* request,
                             drafter::v1::GetMatrixInfoResponse* response) override;

  // Makes it serve another model than the toy model. Call it before the server starts.
  void set_identity(ModelIdentity identity) { identity_ = std::move(identity); }

  // Makes it accept every model and k, and draft tokens of the caller's vocabulary. With a real
  // verifier its drafts are right only by chance. Call it before the server starts.
  void set_any_model() { any_model_ = true; }

 private:
  absl::Status Check(const common::v1::ModelIdentity& model, std::uint32_t k) const;

  FakeDrafterClient fake_;
  const std::uint32_t k_;
  ModelIdentity identity_;
  bool any_model_ = false;
};

// Converts the tree, also an invalid one.
void GarbageTreeToProto(const DraftTree& tree, common::v1::DraftTree* proto);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_SERVICE_H_
