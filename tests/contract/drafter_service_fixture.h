// A drafter on a loopback port, and the calls of a client.
#ifndef RECYCLING_TESTS_CONTRACT_DRAFTER_SERVICE_FIXTURE_H_
#define RECYCLING_TESTS_CONTRACT_DRAFTER_SERVICE_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/rpc_server.h"
#include "common/rpc/status_grpc.h"
#include "drafter/service/drafter_server.h"
#include "drafter/store/scope_memory.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {

inline constexpr std::uint32_t kVocab = 100;
inline constexpr std::uint32_t kK = 2;
inline const std::uint64_t kMatrixBytes = ScopeMemory::FirstBytes(kVocab, kK);

inline void SetModel(common::v1::ModelIdentity* model, const std::string& id = "m") {
  model->set_model_id(id);
  model->set_vocab_size(kVocab);
  model->set_tokenizer_digest(std::string(32, 'd'));
}

inline v1::OpenSession Session(common::v1::MatrixScope scope = common::v1::MATRIX_SCOPE_TENANT,
                               const std::string& tenant = "a") {
  v1::OpenSession open;
  SetModel(open.mutable_model());
  open.set_k(kK);
  open.set_tenant(tenant);
  open.set_scope(scope);
  return open;
}

inline v1::Observation Rows(const std::vector<std::uint32_t>& tokens,
                            const std::vector<std::uint32_t>& candidates,
                            const std::vector<std::uint32_t>& path = {0}) {
  v1::Observation observation;
  observation.mutable_tokens()->Add(tokens.begin(), tokens.end());
  observation.mutable_candidates()->set_k(kK);
  observation.mutable_candidates()->mutable_ids()->Add(candidates.begin(), candidates.end());
  observation.mutable_accepted_path()->Add(path.begin(), path.end());
  return observation;
}

inline v1::Proposal Ask(std::uint32_t root, std::uint32_t max_nodes = 80,
                        std::uint32_t max_depth = 6) {
  v1::Proposal proposal;
  proposal.set_base(7);
  proposal.set_root(root);
  proposal.set_max_nodes(max_nodes);
  proposal.set_max_depth(max_depth);
  return proposal;
}

class DrafterServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({.drafter_id = "d1", .allow_shared = true}); }
  void TearDown() override {
    Stop();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  void Start(const DrafterOptions& options) {
    Stop();
    auto drafter = CreateDrafter(options);
    ASSERT_THAT(drafter, doubles::IsOk());
    drafter_ = *std::move(drafter);
    RpcServerOptions server_options = {.listen = {"127.0.0.1:0"}};
    server_options.max_threads += drafter_->max_threads();
    auto server = RpcServer::Start(server_options, {drafter_->service()}, {kDrafterServiceName});
    ASSERT_THAT(server, doubles::IsOk());
    server_ = *std::move(server);
    stub_ = v1::DrafterService::NewStub(
        grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials()));
  }
  void Stop() {
    stub_.reset();
    server_.reset();
    drafter_.reset();
  }

  const std::string& Directory() {
    if (directory_.empty()) {
      directory_ = ::testing::TempDir() + "/drafter_service_test.XXXXXX";
      EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    }
    return directory_;
  }

  absl::Status Handshake(v1::HandshakeResponse* response, const std::string& model = "m",
                         std::uint32_t k = kK, std::uint32_t version = 1) {
    v1::HandshakeRequest request;
    SetModel(request.mutable_model(), model);
    request.set_k(k);
    request.set_protocol_version(version);
    grpc::ClientContext context;
    return FromGrpcStatus(stub_->Handshake(&context, request, response));
  }

  absl::Status Observe(const v1::OpenSession& session, const v1::Observation& observation) {
    v1::ObserveRequest request;
    *request.mutable_session() = session;
    *request.mutable_observation() = observation;
    v1::ObserveResponse response;
    grpc::ClientContext context;
    return FromGrpcStatus(stub_->Observe(&context, request, &response));
  }

  absl::StatusOr<common::v1::DraftTree> Propose(const v1::OpenSession& session,
                                                const v1::Proposal& proposal) {
    v1::ProposeRequest request;
    *request.mutable_session() = session;
    *request.mutable_proposal() = proposal;
    v1::ProposeResponse response;
    grpc::ClientContext context;
    const absl::Status status = FromGrpcStatus(stub_->Propose(&context, request, &response));
    if (!status.ok()) return status;
    return response.tree();
  }

  v1::GetMatrixInfoResponse Info() {
    v1::GetMatrixInfoResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->GetMatrixInfo(&context, {}, &response).ok());
    return response;
  }

  // Calls SaveMatrix and returns the chunks, or the error.
  absl::StatusOr<std::vector<std::string>> Save(common::v1::MatrixScope scope,
                                                const std::string& tenant) {
    v1::SaveMatrixRequest request;
    request.set_scope(scope);
    request.set_tenant(tenant);
    grpc::ClientContext context;
    const auto stream = stub_->SaveMatrix(&context, request);
    std::vector<std::string> chunks;
    v1::SaveMatrixResponse response;
    while (stream->Read(&response)) chunks.push_back(response.chunk());
    const absl::Status status = FromGrpcStatus(stream->Finish());
    if (!status.ok()) return status;
    return chunks;
  }

  absl::Status Load(const std::vector<v1::LoadMatrixRequest>& parts,
                    v1::LoadMatrixResponse* response) {
    grpc::ClientContext context;
    const auto stream = stub_->LoadMatrix(&context, response);
    for (const v1::LoadMatrixRequest& part : parts) {
      if (!stream->Write(part)) break;
    }
    stream->WritesDone();
    return FromGrpcStatus(stream->Finish());
  }
  absl::Status Load(const std::vector<v1::LoadMatrixRequest>& parts) {
    v1::LoadMatrixResponse response;
    return Load(parts, &response);
  }

  static v1::LoadMatrixRequest Target(common::v1::MatrixScope scope, const std::string& tenant) {
    v1::LoadMatrixRequest request;
    request.mutable_target()->set_scope(scope);
    request.mutable_target()->set_tenant(tenant);
    return request;
  }
  static v1::LoadMatrixRequest Chunk(const std::string& bytes) {
    v1::LoadMatrixRequest request;
    request.set_chunk(bytes);
    return request;
  }

  std::unique_ptr<DrafterServer> drafter_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::DrafterService::Stub> stub_;
  std::string directory_;
};

// A Draft stream opened with `open`.
class Stream {
 public:
  Stream(v1::DrafterService::Stub* stub, const v1::OpenSession& open)
      : stream_(stub->Draft(&context_)) {
    v1::DraftRequest request;
    *request.mutable_open() = open;
    stream_->Write(request);
  }

  void Send(const v1::DraftRequest& request) { stream_->Write(request); }
  void Send(std::uint64_t step, const v1::Observation* observation, const v1::Proposal* proposal) {
    v1::DraftRequest request;
    request.mutable_step()->set_step(step);
    if (observation != nullptr) *request.mutable_step()->mutable_observation() = *observation;
    if (proposal != nullptr) *request.mutable_step()->mutable_proposal() = *proposal;
    Send(request);
  }
  v1::DraftResponse Read() {
    v1::DraftResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  // Expects no further answer.
  absl::Status Finish() {
    stream_->WritesDone();
    v1::DraftResponse response;
    EXPECT_FALSE(stream_->Read(&response));
    return FromGrpcStatus(stream_->Finish());
  }

  grpc::ClientContext& context() { return context_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::DraftRequest, v1::DraftResponse>> stream_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_TESTS_CONTRACT_DRAFTER_SERVICE_FIXTURE_H_
