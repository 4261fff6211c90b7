// The "llama" family: SentencePiece's encoding with BPE models. A space is written U+2581. The
// tokenizer puts one dummy space before a text and starts with one piece per character. It joins
// neighbours whose joint text is a token until there are none. The pair with the highest score
// comes first; among equal scores the leftmost. A character that is no token becomes the tokens of
// its bytes. If these are missing, it becomes the unknown token.
#include <array>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/status_macros.h"
#include "common/tokenizer/bigram_merger.h"
#include "common/tokenizer/score_merges.h"
#include "common/tokenizer/utf8.h"
#include "common/tokenizer/vocabulary_tokenizer.h"

namespace recycling {
namespace {

constexpr char32_t kSpaceMark = U'\u2581';
constexpr char32_t kReplacement = 0xFFFD;  // for invalid UTF-8, which Encode has refused before
constexpr char kSpaceMarkUtf8[] = "\u2581";

using ByteTokens = std::array<std::optional<TokenId>, 256>;

// The byte that a token "<0x41>" stands for.
std::optional<unsigned char> ParseByteToken(std::string_view token) {
  std::uint32_t byte = 0;
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>' ||
      !absl::SimpleHexAtoi(absl::string_view(token.data() + 1, 4), &byte)) {
    return std::nullopt;
  }
  return static_cast<unsigned char>(byte);
}

absl::StatusOr<ByteTokens> FindByteTokens(const TokenizerData& data) {
  ByteTokens byte_tokens;
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    if (TypeOf(data, id) != TokenType::kByte) continue;
    const std::optional<unsigned char> byte = ParseByteToken(data.tokens[id]);
    if (!byte.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tokenizer: byte token ", id, " is not written <0xNN>"));
    }
    if (byte_tokens[*byte].has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("tokenizer: tokens ", *byte_tokens[*byte],
                                                     " and ", id, " stand for the same byte"));
    }
    byte_tokens[*byte] = id;
  }
  return byte_tokens;
}

std::string BytesOfPiece(const TokenizerData& data, TokenId id) {
  const std::string& token = data.tokens[id];
  switch (TypeOf(data, id)) {
    case TokenType::kUnknown:
    case TokenType::kControl:
      return "";
    case TokenType::kUserDefined:
      return token;
    case TokenType::kByte:
      return std::string(1, static_cast<char>(ParseByteToken(token).value_or(0)));
    case TokenType::kNormal:
    case TokenType::kUnused:
      break;
  }
  return absl::StrReplaceAll(token, {{kSpaceMarkUtf8, " "}});
}

class SentencePieceTokenizer final : public VocabularyTokenizer {
 public:
  SentencePieceTokenizer(TokenizerData data, std::vector<std::string> token_bytes,
                         bool dummy_prefix, const ByteTokens& byte_tokens)
      : VocabularyTokenizer(std::move(data), std::move(token_bytes), dummy_prefix),
        byte_tokens_(byte_tokens),
        score_merges_(FindScoreMerges(this->data())) {}

 protected:
  absl::Status EncodePlain(std::string_view text, std::vector<TokenId>& ids) const override {
    std::vector<Piece> pieces;
    pieces.reserve(text.size() + 1);
    if (dummy_prefix()) pieces.push_back(PieceOf(kSpaceMark));
    for (Utf8Reader reader(text); !reader.done();) {
      const char32_t character = reader.Next().value_or(kReplacement);
      pieces.push_back(PieceOf(character == U' ' ? kSpaceMark : character));
    }
    score_merges_.merges.Apply(pieces);
    bool unknown = false;
    for (const Piece piece : pieces) {
      if (piece < kLoosePiece) {
        ids.push_back(piece);
        unknown = false;
        continue;
      }
      const std::string character = ToUtf8(piece - kLoosePiece);
      if (AppendBytes(character, ids)) {
        unknown = false;
        continue;
      }
      if (!unknown) RETURN_IF_ERROR(AppendUnknown(character, ids));
      unknown = true;
    }
    return absl::OkStatus();
  }

 private:
  Piece PieceOf(char32_t character) const {
    const auto found = score_merges_.characters.find(character);
    return found == score_merges_.characters.end() ? kLoosePiece + character : found->second;
  }

  // False, and nothing appended, if a byte has no token.
  bool AppendBytes(std::string_view character, std::vector<TokenId>& ids) const {
    for (const char c : character) {
      if (!byte_tokens_[static_cast<unsigned char>(c)].has_value()) return false;
    }
    for (const char c : character) ids.push_back(*byte_tokens_[static_cast<unsigned char>(c)]);
    return true;
  }

  const ByteTokens byte_tokens_;
  const ScoreMerges score_merges_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> CreateSentencePieceTokenizer(TokenizerData data) {
  ASSIGN_OR_RETURN(const ByteTokens byte_tokens, FindByteTokens(data));
  std::vector<std::string> token_bytes;
  token_bytes.reserve(data.tokens.size());
  for (TokenId id = 0; id < data.tokens.size(); ++id) token_bytes.push_back(BytesOfPiece(data, id));
  const bool dummy_prefix = data.add_space_prefix;
  return std::make_unique<const SentencePieceTokenizer>(std::move(data), std::move(token_bytes),
                                                        dummy_prefix, byte_tokens);
}

}  // namespace recycling
