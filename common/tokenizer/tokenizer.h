// Converts text to token ids and back, as the model file says. There are two families:
// SentencePiece-style ("llama": scores, byte fallback, dummy prefix) and byte-level BPE ("gpt2":
// merges and a pre-tokenizer pattern).
#ifndef RECYCLING_COMMON_TOKENIZER_TOKENIZER_H_
#define RECYCLING_COMMON_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/byte_range.h"
#include "common/decoding/token_id.h"

namespace recycling {

enum class TokenType : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// The data of a tokenizer, not yet checked.
struct TokenizerData {
  std::string model;  // "llama" or "gpt2"
  std::string pre;    // pre-tokenizer name, for example "llama-bpe"; not read for "llama"
  std::vector<std::string> tokens;     // [vocab_size], bytes as the file has them
  std::vector<float> scores;           // [vocab_size] or empty
  std::vector<TokenType> token_types;  // [vocab_size] or empty: all normal
  std::vector<std::string> merges;     // "left right" in order of rank; byte-level BPE only
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> eot;  // end of turn; ends a sequence like eos
  std::optional<TokenId> unknown;
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = false;  // "llama" only: the dummy prefix

  bool operator==(const TokenizerData&) const = default;
};

// SHA-256, 32 bytes, over every field of the data in the form that README.md describes.
std::string TokenizerDigest(const TokenizerData& data);

struct EncodeOptions {
  bool add_special = true;     // add bos / eos where the data asks for them
  bool parse_control = false;  // read control tokens written in the text as control tokens;
                               // user-defined ones always are
  // Where parse_control does not hold: no control token has a byte in these ranges. Ascending,
  // without overlaps, within the text.
  std::span<const ByteRange> foreign = {};
};

// Unimplemented, with the name and those that are known, if Tokenizer::Create does not know the
// model or the pre-tokenizer of `data`. Does not read the vocabulary.
absl::Status CheckKnownTokenizer(const TokenizerData& data);

// Threads: immutable after Create; all methods may be called from any thread.
class Tokenizer {
 public:
  // InvalidArgument if CheckTokenizerData refuses the data, if byte tokens are malformed or
  // duplicate, or if merges are malformed or name texts that are not in the vocabulary.
  // Unimplemented, with the name, for an unknown model or pre-tokenizer (CheckKnownTokenizer).
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Create(TokenizerData data);

  virtual ~Tokenizer() = default;

  // The ids of `text`. Takes time n log n at most for n bytes, whatever text and vocabulary hold.
  // InvalidArgument if the text is not UTF-8 (the message names the byte), is longer than 1 GiB, or
  // has a character for which the vocabulary has no token, no byte tokens and no unknown token. An
  // unknown token that is also a control token is not used, because text must not become a control
  // token.
  virtual absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text,
                                                      const EncodeOptions& options) const = 0;

  // The text of `ids` as bytes, because a token may hold part of a character. Without the dummy
  // prefix that Encode added. Control tokens give no text unless render_control is true.
  // InvalidArgument if an id is not in the vocabulary.
  virtual absl::StatusOr<std::string> Decode(std::span<const TokenId> ids,
                                             bool render_control) const = 0;

  // The bytes that `id` adds to a running text. A dummy prefix is not removed. Empty for control
  // and unknown tokens.
  virtual std::string TokenBytes(TokenId id) const = 0;

  virtual const TokenizerData& data() const = 0;

  std::uint32_t vocab_size() const { return static_cast<std::uint32_t>(data().tokens.size()); }

  // Ids that end a sequence: eos and eot, where present; ascending, distinct.
  std::vector<TokenId> EndOfSequenceIds() const;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_TOKENIZER_H_
