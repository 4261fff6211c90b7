// The FakeDrafterClient behind a real gRPC service, for InProcessChannel or a port.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_SERVICE_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_SERVICE_H_

#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "tests/doubles/fake_drafter_client.h"

namespace recycling::doubles {

// Serves the toy model's identity and k: any other is FAILED_PRECONDITION in Handshake and Draft.
// Saving and loading matrices is UNIMPLEMENTED. Faults look as they do on the wire: a silent
// drafter does not answer the step, and a dropped stream ends with OK. Threads: any.
class FakeDrafterService final : public drafter::v1::DrafterService::Service {
 public:
  // `k` is the number of candidates per row that it agrees to.
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

  // Serves another model than the toy model. Call before serving.
  void set_identity(ModelIdentity identity) { identity_ = std::move(identity); }

  // Agrees to every model and k, and drafts over the caller's vocabulary. Beside a real verifier
  // its drafts are right only by chance. Call before serving.
  void set_any_model() { any_model_ = true; }

 private:
  absl::Status Check(const common::v1::ModelIdentity& model, std::uint32_t k) const;

  FakeDrafterClient fake_;
  const std::uint32_t k_;
  ModelIdentity identity_;
  bool any_model_ = false;
};

// The tree as it is, valid or not.
void GarbageTreeToProto(const DraftTree& tree, common::v1::DraftTree* proto);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_SERVICE_H_
