#include "common/tokenizer/tokenizer.h"

#include <openssl/sha.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/tokenizer/pre_tokenizer.h"
#include "common/tokenizer/tokenizer_check.h"
#include "common/tokenizer/vocabulary_tokenizer.h"

namespace recycling {
namespace {

// Builds the bytes that TokenizerDigest hashes. A number is 8 little-endian bytes. A text or list
// is its length, then its content. An optional id is 0, or 1 and then the id.
class CanonicalForm {
 public:
  void Number(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      bytes_.push_back(static_cast<char>(number >> shift));
    }
  }
  void Text(std::string_view text) {
    Number(text.size());
    bytes_.append(text);
  }
  void Texts(const std::vector<std::string>& texts) {
    Number(texts.size());
    for (const std::string& text : texts) Text(text);
  }
  void Id(const std::optional<TokenId>& id) {
    Number(id.has_value() ? 1 : 0);
    if (id.has_value()) Number(*id);
  }

  std::string Digest() const {
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
  }

 private:
  std::string bytes_;
};

}  // namespace

std::string TokenizerDigest(const TokenizerData& data) {
  CanonicalForm form;
  form.Text(data.model);
  form.Text(data.pre);
  form.Texts(data.tokens);
  form.Number(data.scores.size());
  for (const float score : data.scores) form.Number(std::bit_cast<std::uint32_t>(score));
  form.Number(data.token_types.size());
  for (const TokenType type : data.token_types) form.Number(static_cast<std::uint64_t>(type));
  form.Texts(data.merges);
  form.Id(data.bos);
  form.Id(data.eos);
  form.Id(data.eot);
  form.Id(data.unknown);
  form.Number(data.add_bos ? 1 : 0);
  form.Number(data.add_eos ? 1 : 0);
  form.Number(data.add_space_prefix ? 1 : 0);
  return form.Digest();
}

absl::Status CheckKnownTokenizer(const TokenizerData& data) {
  if (data.model == "llama") return absl::OkStatus();
  if (data.model == "gpt2") return PreTokenizer::Create(data.pre).status();
  return absl::UnimplementedError(
      absl::StrCat("tokenizer: model \"", absl::CHexEscape(data.model.substr(0, 64)),
                   "\" is not supported, expected \"llama\" or \"gpt2\""));
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::Create(TokenizerData data) {
  RETURN_IF_ERROR(CheckTokenizerData(data));
  if (data.model == "llama") return CreateSentencePieceTokenizer(std::move(data));
  if (data.model == "gpt2") return CreateByteBpeTokenizer(std::move(data));
  return CheckKnownTokenizer(data);
}

std::vector<TokenId> Tokenizer::EndOfSequenceIds() const {
  std::vector<TokenId> ids;
  if (data().eos.has_value()) ids.push_back(*data().eos);
  if (data().eot.has_value()) ids.push_back(*data().eot);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace recycling
