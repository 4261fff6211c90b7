// A tiny language model. The logits of a row depend only on its token and on its absolute position
// modulo a period. So plain steps, tree steps and drafters that know the model always agree, and a
// wrong position gives a wrong token.
#ifndef RECYCLING_TESTS_DOUBLES_TOY_MODEL_H_
#define RECYCLING_TESTS_DOUBLES_TOY_MODEL_H_

#include <cstdint>
#include <map>
#include <vector>

#include "common/decoding/model_identity.h"
#include "common/decoding/sampling_options.h"
#include "common/decoding/token_id.h"
#include "common/tokenizer/tokenizer.h"

namespace recycling::doubles {

struct ToyModelOptions {
  // At least 4. A vocabulary of more than 260 has <unk>, <s>, </s>, the 256 byte tokens, a space
  // and words, so the tokenizer can encode any text. A smaller one has only words, for tests that
  // use ids.
  std::uint32_t vocab_size = 320;
  std::uint32_t period = 3;   // at least 1
  std::uint64_t variant = 0;  // each number gives another language
  // Tokens that the model chooses at these absolute positions, for any token before. A test uses
  // them to make the model write a text, or end it. Position 0 is the first token of the prompt.
  // Ids must be below vocab_size.
  std::map<std::uint32_t, TokenId> script = {};
};

// Threads: immutable.
class ToyModel {
 public:
  explicit ToyModel(ToyModelOptions options = {});

  std::uint32_t vocab_size() const { return options_.vocab_size; }

  // End-of-sequence ids: </s>, or none in a small vocabulary. The model chooses </s> only because
  // of a script or a bias.
  std::vector<TokenId> EndOfSequenceIds() const;

  // The vocab_size logits of the row that has `token` at absolute position `position`. They are for
  // the token at position + 1. Words have logits in [0, 1), other tokens in [-9, -8), and a
  // scripted token has 10.
  std::vector<float> Logits(TokenId token, std::uint32_t position) const;

  // The ids of the k highest logits of that row, highest first; of equal logits the lower id first.
  // k is at most vocab_size.
  std::vector<TokenId> TopK(TokenId token, std::uint32_t position, std::uint32_t k) const;

  // The token that the model chooses after that row, when it has emitted `generated` tokens before.
  // It adds the logit bias and keeps min_tokens. With temperature 0 it takes the highest logit.
  // With a temperature above 0 it takes one of the `top_k` highest (4 if top_k is 0), all equally
  // likely, by a hash of seed and position. Other options have no effect.
  TokenId Choose(TokenId token, std::uint32_t position, const SamplingOptions& options,
                 std::uint32_t generated) const;

  // The `count` tokens that follow `path` with greedy decoding.
  std::vector<TokenId> Continue(const std::vector<TokenId>& path, int count) const;

  // Whether `token` ends a sequence: a stop token does, and an end-of-sequence token does unless
  // ignore_eos is set.
  bool EndsSequence(TokenId token, const SamplingOptions& options) const;

  TokenizerData MakeTokenizerData() const;
  ModelIdentity Identity() const;

 private:
  const ToyModelOptions options_;
  const TokenId first_word_;
};

// A hash of two numbers. All randomness in these doubles comes from it.
std::uint64_t ToyHash(std::uint64_t a, std::uint64_t b);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_TOY_MODEL_H_
