#include "gateway/grpc/grpc_verifier_client.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/status_macros.h"
#include "common/chat/chat_template.h"
#include "common/rpc/call_metadata.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/protocol_version.h"
#include "common/rpc/status_grpc.h"
#include "common/rpc/tokenizer_proto.h"
#include "gateway/grpc/stream_call.h"

namespace recycling::gateway {
namespace {

namespace pb = ::recycling::verifier::v1;
using DecodeCall = StreamCall<pb::DecodeRequest, pb::DecodeResponse>;

constexpr absl::Duration kLinger = absl::Seconds(1);  // time for the verifier to free the slot

void SetTimeout(grpc::ClientContext* context, absl::Duration timeout) {
  context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
}

// Costs affect only the speed. So an invalid list is not an error: the result is empty, as if the
// verifier had sent no costs.
std::vector<PassCost> PassCostsFromProto(const pb::Load& load) {
  constexpr int kMostCosts = 1024;
  if (load.pass_costs_size() > kMostCosts) return {};
  std::vector<PassCost> costs;
  costs.reserve(static_cast<std::size_t>(load.pass_costs_size()));
  std::uint32_t rows = 0;
  std::uint32_t micros = 1;
  for (const pb::PassCost& cost : load.pass_costs()) {
    if (cost.rows() <= rows || cost.micros() < micros) return {};
    rows = cost.rows();
    micros = cost.micros();
    costs.push_back({.rows = rows, .duration = absl::Microseconds(micros)});
  }
  return costs;
}

absl::StatusOr<VerifierInfo> InfoFromProto(const pb::HandshakeResponse& proto) {
  RETURN_IF_ERROR(CheckProtocolVersion(proto.protocol_version()));
  VerifierInfo info;
  info.model = ModelIdentityFromProto(proto.model());
  RETURN_IF_ERROR(ValidateModelIdentity(info.model));
  if (proto.context_length() == 0) {
    return absl::InvalidArgumentError("context_length: got 0, expected at least 1");
  }
  RETURN_IF_ERROR(CheckRange("k", proto.k(), 1, 64));
  info.context_length = proto.context_length();
  info.k = proto.k();
  constexpr std::uint32_t kMostNodes = std::numeric_limits<int>::max();
  info.max_tree_nodes = static_cast<int>(std::min(proto.max_tree_nodes(), kMostNodes));
  info.max_sequences = proto.max_sequences();
  info.numerics_id = proto.numerics_id();
  info.build = proto.build();
  info.kernel = proto.kernel();
  info.model_description = proto.model_description();
  info.draining = proto.draining();
  info.open_sequences = proto.load().open_sequences();
  info.page_tokens = proto.page_tokens();  // not checked, because PrefixRoutes accepts any number
  info.pass_costs = PassCostsFromProto(proto.load());
  if (proto.chat_template().size() > chat::kMaxTemplateBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("chat_template: got ", proto.chat_template().size(),
                     " bytes, expected at most ", chat::kMaxTemplateBytes));
  }
  info.chat_template = proto.chat_template();
  info.eos_token_ids.assign(proto.eos_token_ids().begin(), proto.eos_token_ids().end());
  for (const TokenId id : info.eos_token_ids) {
    if (id >= info.model.vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("eos_token_ids: got ", id, ", expected less than ", info.model.vocab_size));
    }
  }
  return info;
}

// Like the costs, these values affect only the speed. So an impossible number of rows or tokens is
// not an error, and counts as 0.
OtherLoad OtherLoadFromProto(const pb::Load& load) {
  constexpr double kMost = 1e6;
  const auto sane = [](double value) { return value >= 0 && value <= kMost ? value : 0; };
  return {.rows = sane(load.other_rows()),
          .tokens = sane(load.other_tokens()),
          .passes = MicrosFromProto(load.other_micros())};
}

absl::StatusOr<SequenceOpened> OpenedFromProto(const pb::SequenceOpened& proto,
                                               std::uint32_t vocab_size) {
  SequenceOpened opened;
  opened.base = proto.base();
  opened.cached_tokens = proto.cached_tokens();
  opened.pass_costs = PassCostsFromProto(proto.load());
  if (proto.prompt_candidates().ids_size() > 0) {
    const auto& candidates = proto.prompt_candidates();
    const std::size_t rows =
        static_cast<std::size_t>(candidates.ids_size()) / std::max(candidates.k(), 1u);
    ASSIGN_OR_RETURN(opened.prompt_candidates, CandidatesFromProto(candidates, rows, vocab_size));
  }
  return opened;
}

absl::StatusOr<StepVerified> VerifiedFromProto(const pb::StepVerified& proto, std::size_t rows,
                                               std::uint32_t vocab_size) {
  StepVerified verified;
  if (proto.has_verified_nodes() && !proto.draft_ignored()) {
    if (proto.verified_nodes() >= rows) {
      return absl::InvalidArgumentError(absl::StrCat("verified_nodes: got ", proto.verified_nodes(),
                                                     ", expected less than ", rows));
    }
    verified.verified_nodes = static_cast<int>(proto.verified_nodes());
    rows = proto.verified_nodes() + std::size_t{1};
  }
  verified.step = proto.step();
  verified.base = proto.base();
  verified.tokens.assign(proto.tokens().begin(), proto.tokens().end());
  for (const std::uint32_t node : proto.accepted_nodes()) {
    if (node > static_cast<std::uint32_t>(std::numeric_limits<int>::max())) {
      return absl::InvalidArgumentError(absl::StrCat("accepted_nodes: got ", node));
    }
    verified.accepted_nodes.push_back(static_cast<int>(node));
  }
  if (proto.candidates().ids_size() > 0) {
    ASSIGN_OR_RETURN(verified.candidates,
                     CandidatesFromProto(proto.candidates(), rows, vocab_size));
  }
  for (const auto& logprob : proto.logprobs()) {
    verified.logprobs.push_back(TokenLogprobFromProto(logprob));
  }
  verified.draft_ignored = proto.draft_ignored();
  const auto& timings = proto.timings();
  verified.forward = MicrosFromProto(timings.forward_micros());
  verified.queue = MicrosFromProto(timings.queue_micros());
  verified.inside = verified.queue + verified.forward + MicrosFromProto(timings.sample_micros());
  verified.pass_costs = PassCostsFromProto(proto.load());
  verified.others = OtherLoadFromProto(proto.load());
  return verified;
}

OpenDecodeStream StreamsOver(std::shared_ptr<pb::VerifierService::Stub> stub) {
  return [stub = std::move(stub)](absl::Time deadline, const CallOrigin& origin) {
    return DecodeCall::Start(deadline, [&](auto* context, auto* events) {
      AddOrigin(origin, context);
      return stub->PrepareAsyncDecode(context, events);
    });
  };
}

class GrpcVerifierSession final : public VerifierSession {
 public:
  GrpcVerifierSession(std::unique_ptr<DecodeStream> stream, std::string address,
                      const VerifierInfo& info)
      : address_(std::move(address)),
        model_(info.model),
        numerics_id_(info.numerics_id),
        stream_(std::move(stream)) {}

  // Waits until the verifier has ended the stream. Then the slot is free for the next request.
  ~GrpcVerifierSession() override {
    stream_->Close(kLinger);
    stream_->WaitDone();
  }

  absl::StatusOr<SequenceOpened> Open(const OpenSequence& open) override {
    stream_->Send([&](pb::DecodeRequest& request) {
      auto& proto = *request.mutable_open();
      proto.mutable_prompt_ids()->Add(open.prompt_ids.begin(), open.prompt_ids.end());
      proto.mutable_generated_ids()->Add(open.generated_ids.begin(), open.generated_ids.end());
      SamplingOptionsToProto(open.sampling, proto.mutable_sampling());
      proto.set_learn_last(open.learn_last);
      proto.set_want_candidates(open.want_candidates);
      proto.set_tenant(open.tenant);
      ModelIdentityToProto(model_, proto.mutable_model());
      proto.set_numerics_id(numerics_id_);
    });
    const absl::Status status = ReceiveAnswer();
    if (absl::IsFailedPrecondition(status)) {
      return absl::UnavailableError(
          absl::StrCat(status.message(), "; this is not the verifier of the handshake"));
    }
    RETURN_IF_ERROR(status);
    if (!response_.has_opened()) return Breach("expected opened");
    auto opened = OpenedFromProto(response_.opened(), model_.vocab_size);
    if (!opened.ok()) return Breach(opened.status().message());
    return opened;
  }

  absl::StatusOr<StepVerified> VerifyWhile(const VerifyStep& step,
                                           absl::FunctionRef<void()> meanwhile) override {
    // If Send fails, ReceiveAnswer below returns the reason.
    stream_->Send([&step](pb::DecodeRequest& request) {
      auto& proto = *request.mutable_verify();
      proto.Clear();
      proto.set_step(step.step);
      proto.set_base(step.base);
      if (step.tree.has_value()) DraftTreeToProto(*step.tree, proto.mutable_tree());
    });
    meanwhile();
    RETURN_IF_ERROR(ReceiveAnswer());
    if (!response_.has_verified()) return Breach("expected verified");
    const bool plain = !step.tree.has_value() || response_.verified().draft_ignored();
    const std::size_t rows = plain ? 1 : static_cast<std::size_t>(step.tree->size());
    auto verified = VerifiedFromProto(response_.verified(), rows, model_.vocab_size);
    if (!verified.ok()) return Breach(verified.status().message());
    return verified;
  }

  void Cancel() override { stream_->Cancel(); }

 private:
  // Waits for the next message and puts it into response_.
  absl::Status ReceiveAnswer() {
    const auto received = stream_->Receive(absl::InfiniteDuration(), &response_);
    if (received.ok()) return absl::OkStatus();
    return absl::Status(received.status().code(),
                        absl::StrCat("verifier ", address_, ": ", received.status().message()));
  }

  absl::Status Breach(absl::string_view what) const {
    return absl::InternalError(absl::StrCat("verifier ", address_, ": malformed answer: ", what));
  }

  const std::string address_;
  const ModelIdentity model_;
  const std::string numerics_id_;
  const std::unique_ptr<DecodeStream> stream_;
  pb::DecodeResponse response_;  // reused, so that its memory is not allocated again
};

}  // namespace

GrpcVerifierClient::GrpcVerifierClient(std::shared_ptr<pb::VerifierService::Stub> stub,
                                       std::string address, OpenDecodeStream open)
    : address_(std::move(address)), stub_(std::move(stub)), open_(std::move(open)) {}

absl::StatusOr<std::shared_ptr<GrpcVerifierClient>> GrpcVerifierClient::Connect(
    std::shared_ptr<grpc::Channel> channel, const std::string& address, absl::Duration timeout,
    OpenDecodeStream open) {
  std::shared_ptr<pb::VerifierService::Stub> stub =
      pb::VerifierService::NewStub(std::move(channel));
  if (open == nullptr) open = StreamsOver(stub);
  std::shared_ptr<GrpcVerifierClient> client(
      new GrpcVerifierClient(std::move(stub), address, std::move(open)));
  grpc::ClientContext context;
  SetTimeout(&context, timeout);
  pb::HandshakeResponse response;
  RETURN_IF_ERROR(FromGrpcStatus(client->stub_->Handshake(&context, {}, &response)));
  auto info = InfoFromProto(response);
  if (absl::IsInvalidArgument(info.status())) {
    return absl::InternalError(absl::StrCat("handshake: ", info.status().message()));
  }
  RETURN_IF_ERROR(info.status());
  client->info_ = *std::move(info);
  return client;
}

absl::StatusOr<TokenizerData> GrpcVerifierClient::FetchTokenizer(absl::Duration timeout) const {
  grpc::ClientContext context;
  SetTimeout(&context, timeout);
  const auto reader = stub_->GetTokenizer(&context, {});
  TokenizerDataJoiner joiner;
  absl::Status joined = absl::OkStatus();
  pb::GetTokenizerResponse response;
  while (joined.ok() && reader->Read(&response)) joined = joiner.Append(response.chunk());
  if (!joined.ok()) context.TryCancel();
  const absl::Status finished = FromGrpcStatus(reader->Finish());
  RETURN_IF_ERROR(joined);
  RETURN_IF_ERROR(finished);
  ASSIGN_OR_RETURN(TokenizerData data, joiner.Finish());
  if (TokenizerDigest(data) != info_.model.tokenizer_digest) {
    return absl::DataLossError("tokenizer: the digest differs from the one in the handshake");
  }
  return data;
}

std::unique_ptr<VerifierSession> GrpcVerifierClient::NewSession(absl::Time deadline,
                                                                const CallOrigin& origin) {
  return std::make_unique<GrpcVerifierSession>(open_(deadline, origin), address_, info_);
}

}  // namespace recycling::gateway
