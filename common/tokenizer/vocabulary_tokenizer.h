// The part of both tokenizer families that is the same: special tokens in the text, bos and eos,
// and decoding.
#ifndef RECYCLING_COMMON_TOKENIZER_VOCABULARY_TOKENIZER_H_
#define RECYCLING_COMMON_TOKENIZER_VOCABULARY_TOKENIZER_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/tokenizer/special_tokens.h"
#include "common/tokenizer/tokenizer.h"

namespace recycling {

class VocabularyTokenizer : public Tokenizer {
 public:
  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text,
                                              const EncodeOptions& options) const final;
  absl::StatusOr<std::string> Decode(std::span<const TokenId> ids, bool render_control) const final;
  std::string TokenBytes(TokenId id) const final;
  const TokenizerData& data() const final { return data_; }

 protected:
  // `data` has passed CheckTokenizerData. `token_bytes` holds the result of TokenBytes for each
  // token. `dummy_prefix`: EncodePlain puts a space before its text, and Decode removes it.
  VocabularyTokenizer(TokenizerData data, std::vector<std::string> token_bytes, bool dummy_prefix);

  // Appends the ids of a non-empty stretch of UTF-8 without special tokens in it.
  virtual absl::Status EncodePlain(std::string_view text, std::vector<TokenId>& ids) const = 0;

  // Appends the unknown token for `character`, for which the vocabulary has no token.
  // InvalidArgument if there is no unknown token, or if it is a control token: no text may become a
  // control token.
  absl::Status AppendUnknown(std::string_view character, std::vector<TokenId>& ids) const;

  const std::vector<std::string>& token_bytes() const { return token_bytes_; }
  bool dummy_prefix() const { return dummy_prefix_; }

 private:
  // The control tokens in `text`, from left to right, that have no byte in a range of `foreign`.
  std::vector<SpecialTokens::Match> FindControl(std::string_view text,
                                                std::span<const ByteRange> foreign) const;
  // Appends the ids of a text whose control tokens have been cut out.
  absl::Status EncodeText(std::string_view text, std::vector<TokenId>& ids) const;

  const TokenizerData data_;
  const std::vector<std::string> token_bytes_;
  const bool dummy_prefix_;
  const SpecialTokens user_defined_;
  const SpecialTokens user_defined_and_control_;
};

// The type of a token. kNormal if the data has no types.
TokenType TypeOf(const TokenizerData& data, TokenId id);

// The two families. `data` has passed CheckTokenizerData and names the model.
absl::StatusOr<std::unique_ptr<const Tokenizer>> CreateSentencePieceTokenizer(TokenizerData data);
absl::StatusOr<std::unique_ptr<const Tokenizer>> CreateByteBpeTokenizer(TokenizerData data);

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_VOCABULARY_TOKENIZER_H_
