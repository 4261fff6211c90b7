#include "common/tokenizer/vocabulary_tokenizer.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/decoding/check_token.h"
#include "common/tokenizer/utf8.h"

namespace recycling {
namespace {

// With this bound, offsets fit into 32 bits, here and in ICU.
constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;

absl::Status CheckText(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("text: got ", text.size(), " bytes, expected at most ", kMaxTextBytes));
  }
  if (const auto byte = FindInvalidUtf8(text); byte.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("text: not UTF-8 at byte ", *byte));
  }
  return absl::OkStatus();
}

// Some files call the tokens that begin and end a sequence user-defined.
bool IsControl(const TokenizerData& data, TokenId id) {
  const TokenType type = TypeOf(data, id);
  return type == TokenType::kControl ||
         (type == TokenType::kUserDefined && (id == data.bos || id == data.eos || id == data.eot));
}

// Leaves out tokens that are not UTF-8: they would match parts of characters.
SpecialTokens FindSpecialTokens(const TokenizerData& data, bool with_control) {
  std::vector<std::pair<std::string_view, TokenId>> tokens;
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    const bool is_control = IsControl(data, id);
    const bool wanted = is_control ? with_control : TypeOf(data, id) == TokenType::kUserDefined;
    if (wanted && !FindInvalidUtf8(data.tokens[id])) {
      tokens.emplace_back(data.tokens[id], id);
    }
  }
  return SpecialTokens(tokens);
}

}  // namespace

TokenType TypeOf(const TokenizerData& data, TokenId id) {
  return data.token_types.empty() ? TokenType::kNormal : data.token_types[id];
}

VocabularyTokenizer::VocabularyTokenizer(TokenizerData data, std::vector<std::string> token_bytes,
                                         bool dummy_prefix)
    : data_(std::move(data)),
      token_bytes_(std::move(token_bytes)),
      dummy_prefix_(dummy_prefix),
      user_defined_(FindSpecialTokens(data_, false)),
      user_defined_and_control_(FindSpecialTokens(data_, true)) {}

absl::StatusOr<std::vector<TokenId>> VocabularyTokenizer::Encode(
    std::string_view text, const EncodeOptions& options) const {
  RETURN_IF_ERROR(CheckText(text));
  std::vector<TokenId> ids;
  if (options.add_special && data_.add_bos) ids.push_back(*data_.bos);
  std::size_t position = 0;
  if (options.parse_control) {
    for (const SpecialTokens::Match& match : FindControl(text, options.foreign)) {
      RETURN_IF_ERROR(EncodeText(text.substr(position, match.begin - position), ids));
      ids.push_back(match.id);
      position = match.end;
    }
  }
  RETURN_IF_ERROR(EncodeText(text.substr(position), ids));
  if (options.add_special && data_.add_eos) ids.push_back(*data_.eos);
  return ids;
}

std::vector<SpecialTokens::Match> VocabularyTokenizer::FindControl(
    std::string_view text, std::span<const ByteRange> foreign) const {
  std::vector<SpecialTokens::Match> found;
  std::size_t begin = 0;
  // Each stretch is searched alone, so that no match ends in a foreign range or hides another.
  const auto search = [&](std::size_t end) {
    for (SpecialTokens::Match match :
         user_defined_and_control_.Find(text.substr(begin, end - begin))) {
      if (!IsControl(data_, match.id)) continue;
      match.begin += begin;
      match.end += begin;
      found.push_back(match);
    }
  };
  for (const ByteRange& range : foreign) {
    search(range.begin);
    begin = range.end;
  }
  search(text.size());
  return found;
}

absl::Status VocabularyTokenizer::EncodeText(std::string_view text,
                                             std::vector<TokenId>& ids) const {
  std::size_t position = 0;
  for (const SpecialTokens::Match& match : user_defined_.Find(text)) {
    if (match.begin > position) {
      RETURN_IF_ERROR(EncodePlain(text.substr(position, match.begin - position), ids));
    }
    ids.push_back(match.id);
    position = match.end;
  }
  if (position < text.size()) RETURN_IF_ERROR(EncodePlain(text.substr(position), ids));
  return absl::OkStatus();
}

absl::StatusOr<std::string> VocabularyTokenizer::Decode(std::span<const TokenId> ids,
                                                        bool render_control) const {
  RETURN_IF_ERROR(CheckTokens("detokenize", ids, vocab_size()));
  std::string text;
  bool prefixed = dummy_prefix_;  // the next token starts a stretch of plain text
  for (const TokenId id : ids) {
    const TokenType type = TypeOf(data_, id);
    const bool hidden = type == TokenType::kControl || type == TokenType::kUnknown;
    const std::string& bytes = hidden && render_control ? data_.tokens[id] : token_bytes_[id];
    const bool special = type == TokenType::kControl || type == TokenType::kUserDefined;
    const bool strip = prefixed && !special && !bytes.empty() && bytes[0] == ' ';
    text.append(bytes, strip ? 1 : 0);
    prefixed = dummy_prefix_ && special;
  }
  return text;
}

std::string VocabularyTokenizer::TokenBytes(TokenId id) const {
  return id < vocab_size() ? token_bytes_[id] : std::string();
}

absl::Status VocabularyTokenizer::AppendUnknown(std::string_view character,
                                                std::vector<TokenId>& ids) const {
  if (data_.unknown.has_value() && TypeOf(data_, *data_.unknown) != TokenType::kControl) {
    ids.push_back(*data_.unknown);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "text: the vocabulary has no token for \"",
      absl::CHexEscape({character.data(), character.size()}), "\" and no unknown token"));
}

}  // namespace recycling
