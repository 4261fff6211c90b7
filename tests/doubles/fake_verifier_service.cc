#include "tests/doubles/fake_verifier_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/status_macros.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/status_grpc.h"
#include "common/rpc/tokenizer_proto.h"

namespace recycling::doubles {
namespace {

namespace pb = verifier::v1;

std::vector<TokenId> Ids(const google::protobuf::RepeatedField<std::uint32_t>& ids) {
  return {ids.begin(), ids.end()};
}

// Checks that the caller's model and numerics id are the fake's, as a real verifier does.
absl::Status CheckMeant(const pb::OpenSequence& open, const gateway::VerifierInfo& info) {
  if (open.has_model()) {
    RETURN_IF_ERROR(CheckSameModel(ModelIdentityFromProto(open.model()), info.model));
  }
  if (open.numerics_id().empty() || open.numerics_id() == info.numerics_id) return absl::OkStatus();
  return absl::FailedPreconditionError("numerics_id: got " + open.numerics_id() + ", expected " +
                                       info.numerics_id);
}

gateway::OpenSequence OpenFromProto(const pb::OpenSequence& proto) {
  return {.prompt_ids = Ids(proto.prompt_ids()),
          .generated_ids = Ids(proto.generated_ids()),
          .sampling = SamplingOptionsFromProto(proto.sampling()),
          .learn_last = proto.learn_last(),
          .want_candidates = proto.want_candidates()};
}

absl::StatusOr<gateway::VerifyStep> StepFromProto(const pb::VerifyStep& proto) {
  gateway::VerifyStep step{.step = proto.step(), .base = proto.base()};
  if (proto.has_tree() && proto.tree().tokens_size() + proto.tree().parents_size() > 0) {
    ASSIGN_OR_RETURN(step.tree, DraftTreeFromProto(proto.tree()));
  }
  return step;
}

void OpenedToProto(const gateway::SequenceOpened& opened, pb::SequenceOpened* proto) {
  proto->set_base(opened.base);
  if (!opened.prompt_candidates.ids.empty()) {
    CandidatesToProto(opened.prompt_candidates, proto->mutable_prompt_candidates());
  }
  proto->set_cached_tokens(opened.cached_tokens);
  proto->mutable_timings();
}

void VerifiedToProto(const gateway::StepVerified& verified, pb::StepVerified* proto) {
  proto->set_step(verified.step);
  proto->set_base(verified.base);
  proto->mutable_tokens()->Add(verified.tokens.begin(), verified.tokens.end());
  for (const int node : verified.accepted_nodes) {
    proto->add_accepted_nodes(static_cast<std::uint32_t>(node));
  }
  if (!verified.candidates.ids.empty()) {
    CandidatesToProto(verified.candidates, proto->mutable_candidates());
  }
  for (const auto& logprob : verified.logprobs) {
    TokenLogprobToProto(logprob, proto->add_logprobs());
  }
  proto->set_draft_ignored(verified.draft_ignored);
  proto->mutable_timings();
}

absl::Time DeadlineOf(const grpc::ServerContext& context) {
  return absl::FromChrono(context.deadline());
}

}  // namespace

FakeVerifierService::FakeVerifierService(FakeVerifierOptions options) : fake_(std::move(options)) {}

grpc::Status FakeVerifierService::Handshake(grpc::ServerContext*, const pb::HandshakeRequest*,
                                            pb::HandshakeResponse* response) {
  const gateway::VerifierInfo& info = fake_.info();
  ModelIdentityToProto(info.model, response->mutable_model());
  response->set_context_length(info.context_length);
  response->set_k(info.k);
  response->set_max_tree_nodes(static_cast<std::uint32_t>(info.max_tree_nodes));
  response->set_max_sequences(info.max_sequences);
  response->set_page_tokens(info.page_tokens);
  response->set_numerics_id(info.numerics_id);
  response->set_build(info.build);
  response->set_protocol_version(1);
  response->mutable_eos_token_ids()->Add(info.eos_token_ids.begin(), info.eos_token_ids.end());
  response->mutable_load()->set_open_sequences(static_cast<std::uint32_t>(fake_.open_sequences()));
  response->set_kernel(info.kernel);
  response->set_model_description(info.model_description);
  if (edit_handshake_ != nullptr) edit_handshake_(*response);
  return grpc::Status::OK;
}

grpc::Status FakeVerifierService::GetTokenizer(
    grpc::ServerContext*, const pb::GetTokenizerRequest*,
    grpc::ServerWriter<pb::GetTokenizerResponse>* writer) {
  constexpr std::size_t kChunkBytes = 1000;  // small, so that a reader must join chunks
  pb::TokenizerData proto;
  TokenizerDataToProto(fake_.options().model->MakeTokenizerData(), &proto);
  const std::string data = proto.SerializeAsString();
  for (std::size_t at = 0; at < data.size(); at += kChunkBytes) {
    pb::GetTokenizerResponse response;
    response.set_chunk(data.substr(at, kChunkBytes));
    if (!writer->Write(response)) break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeVerifierService::Decode(
    grpc::ServerContext*, grpc::ServerReaderWriter<pb::DecodeResponse, pb::DecodeRequest>* stream) {
  // With a deadline, a silent step of the fake returns at once. The service then stays silent,
  // because it only reads the next message.
  const auto session = fake_.NewSession(absl::InfinitePast(), {});
  pb::DecodeRequest request;
  while (stream->Read(&request)) {
    pb::DecodeResponse response;
    if (request.has_open()) {
      const absl::Status meant = CheckMeant(request.open(), fake_.info());
      if (!meant.ok()) return ToGrpcStatus(meant);
      const auto opened = session->Open(OpenFromProto(request.open()));
      if (!opened.ok()) return ToGrpcStatus(opened.status());
      OpenedToProto(*opened, response.mutable_opened());
    } else if (request.has_verify()) {
      const auto step = StepFromProto(request.verify());
      if (!step.ok()) return ToGrpcStatus(step.status());
      const auto verified = session->Verify(*step);
      if (verified.status().message() == kSilence) continue;
      if (verified.status().message() == kStreamDropped) return grpc::Status::OK;
      if (!verified.ok()) return ToGrpcStatus(verified.status());
      VerifiedToProto(*verified, response.mutable_verified());
    } else {
      return {grpc::StatusCode::INVALID_ARGUMENT, "request: got none, expected open or verify"};
    }
    if (!stream->Write(response)) break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeVerifierService::Verify(grpc::ServerContext* context,
                                         const pb::VerifyRequest* request,
                                         pb::VerifyResponse* response) {
  const absl::Status meant = CheckMeant(request->open(), fake_.info());
  if (!meant.ok()) return ToGrpcStatus(meant);
  const auto session = fake_.NewSession(DeadlineOf(*context), {});
  const auto opened = session->Open(OpenFromProto(request->open()));
  if (!opened.ok()) return ToGrpcStatus(opened.status());
  auto step = StepFromProto(request->verify());
  if (!step.ok()) return ToGrpcStatus(step.status());
  if (step->base == 0) step->base = opened->base;
  const auto verified = session->Verify(*step);
  if (!verified.ok()) return ToGrpcStatus(verified.status());
  OpenedToProto(*opened, response->mutable_opened());
  VerifiedToProto(*verified, response->mutable_verified());
  return grpc::Status::OK;
}

}  // namespace recycling::doubles
