// A client of the verifier's Decode, for tests.
#ifndef RECYCLING_TESTS_CONTRACT_DECODE_STREAM_H_
#define RECYCLING_TESTS_CONTRACT_DECODE_STREAM_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/decoding/token_id.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/status_grpc.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/verifier/forward/random_tree.h"

namespace recycling::verifier {

inline v1::DecodeRequest OpenRequest(std::vector<TokenId> prompt) {
  v1::DecodeRequest request;
  request.mutable_open()->mutable_prompt_ids()->Assign(prompt.begin(), prompt.end());
  request.mutable_open()->mutable_sampling()->set_ignore_eos(true);
  return request;
}

inline v1::DecodeRequest StepRequest(std::uint32_t base) {
  v1::DecodeRequest request;
  request.mutable_verify()->set_step(7);
  request.mutable_verify()->set_base(base);
  return request;
}

inline v1::DecodeRequest StepRequest(const DraftTree& tree, std::uint32_t base) {
  v1::DecodeRequest request = StepRequest(base);
  DraftTreeToProto(tree, request.mutable_verify()->mutable_tree());
  return request;
}

// A Decode stream of a client.
class Stream {
 public:
  explicit Stream(v1::VerifierService::Stub& stub, absl::Duration deadline = absl::Minutes(2)) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    stream_ = stub.Decode(&context_);
  }
  ~Stream() {
    if (!ended_) End().IgnoreError();
  }

  // Sends the request and returns the answer, or the error that ended the stream.
  absl::StatusOr<v1::DecodeResponse> Ask(const v1::DecodeRequest& request) {
    v1::DecodeResponse response;
    if (stream_->Write(request) && stream_->Read(&response)) return response;
    return End();
  }

  absl::Status End() {
    ended_ = true;
    stream_->WritesDone();
    return FromGrpcStatus(stream_->Finish());
  }

  void Cancel() { context_.TryCancel(); }
  bool Write(const v1::DecodeRequest& request) { return stream_->Write(request); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::DecodeRequest, v1::DecodeResponse>> stream_;
  bool ended_ = false;
};

// Opens a stream and returns the `count` tokens after the request's prompt and generated ids. Each
// step sends a tree of `trees`, or is a plain step if `trees` is null. If a step fails, fails the
// test and returns fewer tokens.
using TreesOfTest = std::function<DraftTree(const std::vector<TokenId>& so_far)>;
inline std::vector<TokenId> GenerateTokens(v1::VerifierService::Stub& stub,
                                           const v1::DecodeRequest& request, std::size_t count,
                                           const TreesOfTest& trees = nullptr) {
  Stream stream(stub);
  const auto opened = stream.Ask(request);
  EXPECT_TRUE(opened.ok()) << opened.status();
  std::vector<TokenId> tokens(request.open().prompt_ids().begin(),
                              request.open().prompt_ids().end());
  tokens.insert(tokens.end(), request.open().generated_ids().begin(),
                request.open().generated_ids().end());
  const std::size_t before = tokens.size();
  while (opened.ok() && tokens.size() < before + count) {
    v1::DecodeRequest step = StepRequest(static_cast<std::uint32_t>(tokens.size()));
    if (trees != nullptr) DraftTreeToProto(trees(tokens), step.mutable_verify()->mutable_tree());
    const auto response = stream.Ask(step);
    if (!response.ok()) {
      ADD_FAILURE() << response.status();
      break;
    }
    const auto& emitted = response->verified().tokens();
    tokens.insert(tokens.end(), emitted.begin(), emitted.end());
  }
  tokens.resize(std::min(tokens.size(), before + count));
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(before));
  return tokens;
}

// A function that makes random trees with the true next tokens in them. `prompt` is the number of
// prompt tokens, and `truth` has the tokens after the prompt. `random` must outlive the result.
inline TreesOfTest RandomTrees(std::size_t prompt, std::vector<TokenId> truth,
                               std::uint32_t vocab_size, std::mt19937& random) {
  return [=, &random](const std::vector<TokenId>& so_far) {
    const auto told = static_cast<std::ptrdiff_t>(so_far.size() - prompt);
    return RandomTree(so_far, {truth.begin() + told, truth.end()}, vocab_size, 16, random);
  };
}

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_CONTRACT_DECODE_STREAM_H_
