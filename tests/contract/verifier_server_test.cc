// The whole verifier over real gRPC, with a model file on disk and real forward passes.
#include "verifier/service/verifier_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <utility>

#include "common/chat/chat_template.h"
#include "common/rpc/rpc_server.h"
#include "common/rpc/tokenizer_proto.h"
#include "tests/contract/decode_stream.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/tiny_model.h"
#include "verifier/kernels/cpu.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kVocab = 320;

// A temporary folder for the files of these tests.
const std::string& Folder() {
  struct Temporary {
    Temporary() : path(::testing::TempDir() + "/verifier_server_test.XXXXXX") {
      EXPECT_NE(mkdtemp(path.data()), nullptr);
    }
    ~Temporary() { std::filesystem::remove_all(path); }
    std::string path;
  };
  static const Temporary folder;
  return folder.path;
}

const std::string& ModelPath() {
  static const std::string path = Folder() + "/tiny.gguf";
  static const bool written =
      doubles::WriteTinyModel({.vocab_size = kVocab, .matrix_type = 8}, path);
  EXPECT_TRUE(written);
  return path;
}

// A verifier that serves the tiny model on its own port.
struct Served {
  explicit Served(VerifierOptions options) {
    if (options.model_path.empty()) options.model_path = ModelPath();
    auto created = VerifierServer::Create(options);
    EXPECT_THAT(created, IsOk());
    verifier = *std::move(created);
    auto started = RpcServer::Start({.listen = {"127.0.0.1:0"}}, {verifier->service()},
                                    {VerifierServer::full_name()});
    EXPECT_THAT(started, IsOk());
    server = *std::move(started);
    stub = v1::VerifierService::NewStub(
        grpc::CreateChannel(server->addresses()[0], grpc::InsecureChannelCredentials()));
  }

  v1::HandshakeResponse Handshake() {
    grpc::ClientContext context;
    v1::HandshakeResponse response;
    EXPECT_TRUE(stub->Handshake(&context, {}, &response).ok());
    return response;
  }

  std::unique_ptr<VerifierServer> verifier;
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<v1::VerifierService::Stub> stub;
};

v1::DecodeRequest RandomRequest(std::mt19937& random) {
  std::vector<TokenId> prompt(1 + random() % 40);
  for (TokenId& token : prompt) token = static_cast<TokenId>(random() % kVocab);
  v1::DecodeRequest request = OpenRequest(prompt);
  auto* sampling = request.mutable_open()->mutable_sampling();
  sampling->set_seed(random());
  if (random() % 3 > 0) sampling->set_temperature(0.4f);
  if (random() % 3 == 0) sampling->set_top_k(20);
  if (random() % 3 == 0) sampling->set_top_p(0.9f);
  if (random() % 3 == 0) sampling->set_min_p(0.05f);
  if (random() % 3 == 0) sampling->set_repetition_penalty(1.1f);
  if (random() % 3 == 0) sampling->set_presence_penalty(0.2f);
  if (random() % 3 == 0) sampling->set_frequency_penalty(0.1f);
  return request;
}

TEST(VerifierServerTest, TreesThreadsPrefillChunksAndOtherSequencesChangeNoToken) {
  constexpr std::size_t kTokens = 24;
  Served plain({.threads = 1, .max_sequences = 1});
  Served mixed({.threads = 3, .max_sequences = 4, .max_tree_nodes = 16, .prefill_chunk = 7});
  std::mt19937 random(23);
  for (int round = 0; round < 10; ++round) {
    std::vector<std::future<std::vector<TokenId>>> drafted;
    std::vector<std::vector<TokenId>> expected;
    for (int i = 0; i < 4; ++i) {
      const v1::DecodeRequest request = RandomRequest(random);
      expected.push_back(GenerateTokens(*plain.stub, request, kTokens));
      drafted.push_back(std::async(
          std::launch::async, [&mixed, request, truth = expected.back(), seed = random()] {
            std::mt19937 own(seed);
            const auto prompt = static_cast<std::size_t>(request.open().prompt_ids_size());
            return GenerateTokens(*mixed.stub, request, kTokens,
                                  RandomTrees(prompt, truth, kVocab, own));
          }));
    }
    for (std::size_t i = 0; i < drafted.size(); ++i) {
      EXPECT_EQ(drafted[i].get(), expected[i]) << "round " << round << ", sequence " << i;
    }
  }
}

TEST(VerifierServerTest, ASequenceMovesBetweenVerifiersWithTheSameNumericsId) {
  Served first({.threads = 1});
  Served second({.threads = 2, .prefill_chunk = 5, .kernel = "portable"});
  EXPECT_EQ(first.Handshake().numerics_id(), second.Handshake().numerics_id());
  std::mt19937 random(29);
  const v1::DecodeRequest request = RandomRequest(random);
  const std::vector<TokenId> whole = GenerateTokens(*first.stub, request, 30);
  v1::DecodeRequest moved = request;
  moved.mutable_open()->mutable_generated_ids()->Assign(whole.begin(), whole.begin() + 11);
  EXPECT_EQ(GenerateTokens(*second.stub, moved, 19),
            std::vector<TokenId>(whole.begin() + 11, whole.end()));
  Served other({.kv_type = "f32"});
  EXPECT_NE(first.Handshake().numerics_id(), other.Handshake().numerics_id());
}

TEST(VerifierServerTest, AForcedKernelIsTheOnlyOne) {
  for (const InstructionSet set : SupportedInstructionSets()) {
    Served served({.kernel = std::string(Name(set))});
    EXPECT_EQ(served.Handshake().kernel(), Name(set));
  }
  Served served({.arithmetic = "exact"});
  EXPECT_EQ(served.Handshake().kernel(), "exact");
}

TEST(VerifierServerTest, HandshakeAndTokenizerComeFromTheFile) {
  Served served({.max_sequences = 5, .k = 3, .max_tree_nodes = 11});
  const v1::HandshakeResponse handshake = served.Handshake();
  EXPECT_EQ(handshake.model().vocab_size(), kVocab);
  EXPECT_THAT(handshake.model().model_id(), HasSubstr("tiny"));
  EXPECT_EQ(handshake.context_length(), 256u);
  EXPECT_EQ(handshake.k(), 3u);
  EXPECT_EQ(handshake.max_tree_nodes(), 11u);
  EXPECT_EQ(handshake.max_sequences(), 5u);
  EXPECT_THAT(handshake.eos_token_ids(), ElementsAre(2));
  EXPECT_FALSE(handshake.build().empty());
  EXPECT_FALSE(handshake.model_description().empty());
  EXPECT_EQ(handshake.load().open_sequences(), 0u) << "the warm-up sequence is closed";
  ASSERT_GE(handshake.load().pass_costs_size(), 2) << "the smallest and a large pass are measured";
  EXPECT_EQ(handshake.load().pass_costs(0).rows(), 1u);
  EXPECT_EQ(handshake.load().pass_costs().rbegin()->rows(), 12u)
      << "the largest measured pass has the rows of the largest tree";

  grpc::ClientContext context;
  const auto reader = served.stub->GetTokenizer(&context, {});
  TokenizerDataJoiner joiner;
  for (v1::GetTokenizerResponse response; reader->Read(&response);) {
    EXPECT_THAT(joiner.Append(response.chunk()), IsOk());
  }
  EXPECT_TRUE(reader->Finish().ok());
  const auto data = joiner.Finish();
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(TokenizerDigest(*data), handshake.model().tokenizer_digest());
}

TEST(VerifierServerTest, TheHandshakeHasTheChatTemplateOfTheFile) {
  EXPECT_EQ(Served({}).Handshake().chat_template(), "");
  const auto served = [](const std::string& chat_template) {
    doubles::GgufWriter writer = doubles::TinyModelWriter({.vocab_size = kVocab, .matrix_type = 8});
    writer.String("tokenizer.chat_template", chat_template);
    const std::string path = Folder() + "/chat.gguf";
    std::ofstream(path, std::ios::binary) << writer.Finish();
    return Served({.model_path = path}).Handshake().chat_template();
  };
  EXPECT_EQ(served("{{ messages }}"), "{{ messages }}");
  EXPECT_EQ(served(std::string(chat::kMaxTemplateBytes + 1, 'x')), "") << "too long to travel";
  EXPECT_EQ(served("\xff"), "") << "not UTF-8";
}

TEST(VerifierServerTest, TheContextCanBeRaisedAndLowered) {
  Served lowered({.context_length = 20});
  EXPECT_EQ(lowered.Handshake().context_length(), 20u);
  EXPECT_THAT(Stream(*lowered.stub).Ask(OpenRequest(std::vector<TokenId>(21, 5))),
              StatusIs(absl::StatusCode::kInvalidArgument));
  Served raised({.context_length = 400});
  EXPECT_EQ(GenerateTokens(*raised.stub, OpenRequest(std::vector<TokenId>(300, 5)), 4).size(), 4u);
}

TEST(VerifierServerTest, TinyContextsStillWarmUp) {
  for (const std::uint32_t context_length : {1u, 2u, 5u}) {
    EXPECT_EQ(Served({.context_length = context_length, .max_tree_nodes = 0})
                  .Handshake()
                  .context_length(),
              context_length);
  }
}

TEST(VerifierServerTest, NamesTheOptionThatIsOutOfRange) {
  const auto expect = [](const VerifierOptions& options, const std::string& message) {
    EXPECT_THAT(VerifierServer::Create(options).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  expect({.threads = -1}, "threads: got -1");
  expect({.max_sequences = 0}, "max_sequences: got 0");
  expect({.context_length = 1u << 21}, "context_length: got 2097152");
  expect({.k = 0}, "k: got 0");
  expect({.k = 65}, "k: got 65");
  expect({.max_tree_nodes = -1}, "max_tree_nodes: got -1");
  expect({.prefill_chunk = 0}, "prefill_chunk: got 0");
  expect({.kv_type = "f64"}, "kv_type: got \"f64\"");
}

TEST(VerifierServerTest, AnUnreadableOrBrokenFileIsRefused) {
  EXPECT_THAT(VerifierServer::Create({.model_path = "/nonexistent.gguf"}).status(),
              StatusIs(absl::StatusCode::kNotFound));
  const std::string path = Folder() + "/broken.gguf";
  std::ofstream(path) << "GGUF, but not really";
  EXPECT_THAT(VerifierServer::Create({.model_path = path}).status(),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace recycling::verifier
