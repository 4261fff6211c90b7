// The gateway must refuse an answer of a verifier, or the answer must have the properties that the
// decode loop needs. The answers go through real gRPC within the process.
#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "common/base/mutex.h"
#include "common/rpc/rpc_server.h"
#include "gateway/clients/verifier_answers.h"
#include "gateway/grpc/grpc_verifier_client.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/fuzz/proto_fuzz.h"

namespace {

namespace pb = recycling::verifier::v1;
namespace gateway = recycling::gateway;

constexpr std::uint32_t kVocab = 64;

// A verifier that sends the answers of the input.
class Puppet final : public pb::VerifierService::Service {
 public:
  grpc::Status Handshake(grpc::ServerContext*, const pb::HandshakeRequest*,
                         pb::HandshakeResponse* response) override {
    recycling::MutexLock lock(mutex_);
    *response = handshake_;
    return grpc::Status::OK;
  }

  grpc::Status Decode(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<pb::DecodeResponse, pb::DecodeRequest>* stream) override {
    pb::DecodeRequest request;
    while (stream->Read(&request)) {
      recycling::MutexLock lock(mutex_);
      stream->Write(request.has_open() ? opened_ : verified_);
    }
    return grpc::Status::OK;
  }

  void Answer(pb::HandshakeResponse handshake, pb::DecodeResponse opened,
              pb::DecodeResponse verified) {
    recycling::MutexLock lock(mutex_);
    handshake_ = std::move(handshake);
    opened_ = std::move(opened);
    verified_ = std::move(verified);
  }

 private:
  // The calls come in order, but ThreadSanitizer does not see the synchronization inside gRPC.
  recycling::Mutex mutex_;
  pb::HandshakeResponse handshake_ ABSL_GUARDED_BY(mutex_);
  pb::DecodeResponse opened_ ABSL_GUARDED_BY(mutex_);
  pb::DecodeResponse verified_ ABSL_GUARDED_BY(mutex_);
};

pb::HandshakeResponse GoodHandshake() {
  pb::HandshakeResponse handshake;
  handshake.mutable_model()->set_model_id("fuzz");
  handshake.mutable_model()->set_vocab_size(kVocab);
  handshake.mutable_model()->set_tokenizer_digest(std::string(32, 'd'));
  handshake.set_context_length(64);
  handshake.set_k(2);
  handshake.set_max_tree_nodes(80);
  handshake.set_protocol_version(1);
  return handshake;
}

void CheckSession(gateway::VerifierClient& client) {
  const auto session = client.NewSession(absl::InfiniteFuture(), {});
  const gateway::OpenSequence open{.prompt_ids = {1, 2, 3}, .learn_last = 2};
  const auto opened = session->Open(open);
  if (!opened.ok() || !gateway::CheckOpened(open, *opened).ok()) return;
  FUZZ_CHECK(opened->base == 3);
  FUZZ_CHECK(opened->prompt_candidates.ids.size() <= 2 * 64);

  gateway::VerifyStep step{.step = 0, .base = 3, .tree = recycling::DraftTree::Root(3, 3)};
  step.tree->tokens.insert(step.tree->tokens.end(), {4, 5, 6});
  step.tree->parents.insert(step.tree->parents.end(), {0, 0, 1});
  const auto verified = session->Verify(step);
  if (!verified.ok() || !gateway::CheckVerified(step, *verified, kVocab, false).ok()) return;
  FUZZ_CHECK(!verified->tokens.empty() && verified->tokens.size() <= 3);
  for (const recycling::TokenId token : verified->tokens) FUZZ_CHECK(token < kVocab);
  FUZZ_CHECK(verified->accepted_nodes.size() + 1 == verified->tokens.size());
  for (const int node : verified->accepted_nodes) FUZZ_CHECK(node >= 1 && node <= 3);
  FUZZ_CHECK(verified->forward >= absl::ZeroDuration());
}

}  // namespace

// If the high bit of the first byte is set, the rest of the input is a handshake. Otherwise the
// first byte is a length. That many of the next bytes are the answer to open, and the rest is the
// answer to verify.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Puppet& puppet = *new Puppet;
  static auto& server = *recycling::RpcServer::Start({}, {&puppet}, {})->release();
  static const auto channel = server.InProcessChannel();
  if (size == 0) return 0;
  const bool shake = data[0] >= 128;
  const std::size_t length = std::min<std::size_t>(data[0] & 127, size - 1);
  puppet.Answer(
      shake ? recycling::fuzz::ParseInput<pb::HandshakeResponse>(data + 1, size - 1)
            : GoodHandshake(),
      recycling::fuzz::ParseInput<pb::DecodeResponse>(data + 1, length),
      recycling::fuzz::ParseInput<pb::DecodeResponse>(data + 1 + length, size - 1 - length));

  const auto client = gateway::GrpcVerifierClient::Connect(channel, "puppet", absl::Minutes(1));
  if (!client.ok()) return 0;
  const gateway::VerifierInfo& info = (*client)->info();
  FUZZ_CHECK(recycling::ValidateModelIdentity(info.model).ok());
  FUZZ_CHECK(info.context_length >= 1 && info.k >= 1 && info.k <= 64 && info.max_tree_nodes >= 0);
  if (!shake) CheckSession(**client);
  return 0;
}
