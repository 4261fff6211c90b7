// A language model small enough to compute by hand: the logits of a row are a function of its token
// and of its absolute position modulo a period. Plain steps, tree steps and drafters that know the
// model therefore agree by construction, and a wrong position shows as a wrong token.
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
  // At least 4. Vocabularies of more than 260 hold <unk>, <s>, </s>, the 256 byte tokens, a space
  // and words, so that any text has ids; smaller ones hold words only and are for tests on ids.
  std::uint32_t vocab_size = 320;
  std::uint32_t period = 3;   // at least 1
  std::uint64_t variant = 0;  // another number is another language
  // Tokens at chosen absolute positions, whatever comes before them. A test uses them to make the
  // model say a text, or end it. Position 0 is the first token of the prompt. Ids below vocab_size.
  std::map<std::uint32_t, TokenId> script = {};
};

// Threads: immutable.
class ToyModel {
 public:
  explicit ToyModel(ToyModelOptions options = {});

  std::uint32_t vocab_size() const { return options_.vocab_size; }

  // End-of-sequence ids: </s>, or none in a small vocabulary. Never chosen but by script or bias.
  std::vector<TokenId> EndOfSequenceIds() const;

  // [vocab_size] logits of the row that holds `token` at absolute position `position`; they say
  // what follows at position + 1. Words have logits in [0, 1), everything else in [-9, -8), a
  // scripted token has 10.
  std::vector<float> Logits(TokenId token, std::uint32_t position) const;

  // The k highest logits of that row: highest first, ties by lower id. k at most vocab_size.
  std::vector<TokenId> TopK(TokenId token, std::uint32_t position, std::uint32_t k) const;

  // What the model chooses after that row when `generated` tokens have been emitted before. The
  // logit bias is added and min_tokens is kept; greedy takes the highest logit; any temperature
  // above 0 takes one of the `top_k` highest (4 if top_k is 0), all equally likely, by a hash of
  // seed and position. Other options have no effect.
  TokenId Choose(TokenId token, std::uint32_t position, const SamplingOptions& options,
                 std::uint32_t generated) const;

  // What follows `path` greedily: `count` tokens.
  std::vector<TokenId> Continue(const std::vector<TokenId>& path, int count) const;

  // Tokens end a sequence if they are stop tokens or, unless ignored, end-of-sequence tokens.
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
